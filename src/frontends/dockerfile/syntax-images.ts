// Frontend images that the built-in frontend stands in for: the official releases of the language, whatever their version.

const OFFICIAL =
  /^(?:(?:index\.)?docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Whether an image is an official Dockerfile frontend. */
export function isBuiltIn(image: string): boolean {
  return OFFICIAL.test(image);
}
