// Image names as they are given on the command line: checked, not changed; the builder completes them.
// Spec: distribution/reference grammar.

const domainPart = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domain = `(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathPart = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const reference = new RegExp(
  `^((?:${domain}/)?${pathPart}(?:/${pathPart})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** What is wrong with a name such as `registry:5000/app:1.2`, or undefined. */
export function complaintAboutName(name: string): string | undefined {
  const match = reference.exec(name);
  if (!match) {
    if (name === "") return "repository name must have at least one component";
    return reference.test(name.toLowerCase()) ? "repository name must be lowercase" : "invalid reference format";
  }
  return match[1]!.length > 255 ? "repository name must not be more than 255 characters" : undefined;
}

/** The name of a build context in the form that the frontend looks for: without the defaults of docker's registry and tag. */
export function familiarName(name: string): string {
  return name
    .replace(/^(?:index\.)?docker\.io\//, "")
    .replace(/^library\/(?=[^/]+$)/, "")
    .replace(/:latest$/, "");
}
