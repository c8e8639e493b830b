// URLs without the credentials in them. Counterpart: moby/buildkit util/urlutil/redact.go.

const AUTHORITY = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)([^/?#]*)@/;
const MASK = "xxxxx";

/** `https://user:password@host/x` becomes `https://xxxxx:xxxxx@host/x`; what is no URL stays as it is. */
export function redactCredentials(text: string): string {
  return text.replace(AUTHORITY, (_, scheme: string, user: string) => {
    const colon = user.indexOf(":");
    const name = colon < 0 ? user : user.slice(0, colon);
    return `${scheme}${name === "" ? "" : MASK}${colon < 0 ? "" : `:${MASK}`}@`;
  });
}
