// Tells archives from plain files by their first bytes. Counterpart: isArchive of frontend/dockerui/context.go.

const MAGIC: readonly (readonly number[])[] = [
  [0x42, 0x5a, 0x68],
  [0x1f, 0x8b, 0x08],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  // Differs: BuildKit takes an archive in zstd for a Dockerfile.
  [0x28, 0xb5, 0x2f, 0xfd],
];

/** Whether a file that begins like this is a bzip2, gzip, xz, zstd or tar archive. */
export function isArchive(header: Uint8Array): boolean {
  return MAGIC.some((magic) => magic.every((byte, at) => header[at] === byte)) || isTar(header);
}

// A tar header block carries the sum of its own bytes, its checksum field counted as blanks.
function isTar(header: Uint8Array): boolean {
  if (header.length < 512) return false;
  const field = Buffer.from(header.subarray(148, 156))
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .trim();
  if (!/^[0-7]+$/.test(field)) return false;
  let sum = 0;
  for (let at = 0; at < 512; at++) sum += at >= 148 && at < 156 ? 0x20 : header[at]!;
  return Number.parseInt(field, 8) === sum;
}
