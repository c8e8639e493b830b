// IP addresses in the one spelling that Go prints. Counterpart: Go net.IP.String.

/** The canonical text of a valid address: IPv6 compressed (the longest run of zeros), mapped IPv4 as IPv4. */
export function parseAddress(text: string): string | undefined {
  if (!text.includes(":")) return text;
  if (text.includes("%")) return undefined;
  const words = expand(text);
  if (words.length !== 8) return undefined;
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return [words[6]! >> 8, words[6]! & 255, words[7]! >> 8, words[7]! & 255].join(".");
  }
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (list: readonly number[]) => list.map((word) => word.toString(16)).join(":");
  if (best.start < 0) return hex(words);
  return `${hex(words.slice(0, best.start))}::${hex(words.slice(best.start + best.length))}`;
}

function expand(text: string): number[] {
  const [left = "", right] = text.split("::");
  const parse = (part: string) =>
    part === ""
      ? []
      : part.split(":").flatMap((word) => {
          if (!word.includes(".")) return [Number.parseInt(word, 16)];
          const [a, b, c, d] = word.split(".").map(Number);
          return [(a! << 8) | b!, (c! << 8) | d!];
        });
  const head = parse(left);
  if (right === undefined) return head;
  const tail = parse(right);
  return [...head, ...Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => 0), ...tail];
}
