// How hard a piece of a gzip layer is searched where nobody said. The search for longer matches pays where bytes are those of text; machine
// code gains a percent by it, what is compressed already nothing. How evenly the bytes are spread tells them apart well enough, and for nothing.

/** zlib's levels. Of text and of what repeats itself: with the largest tables as small as zlib's own default, 6, to a percent. */
const THOROUGH = 5;
const QUICK = 3;
const QUICKEST = 1;
/** libdeflate's, of all but what is compressed already: smaller than zlib's 5 is, even of single pieces, and none below it is faster. */
const MEMBER_LEVEL = 4;
/** Bits a byte, of its frequency alone: sources are at 4.5 to 5.5, programs at 6 to 7.5, archives and pictures at 7.95 and more. */
const PROGRAM_BITS = 6;
export const COMPRESSED_BITS = 7.9;
const SAMPLES = 16;
const SAMPLE_BYTES = 1024;

/** The level for these bytes: by them alone, so that equal layers stay equal. */
export function gzipLevelFor(data: Uint8Array): number {
  const bits = byteEntropy(data);
  return bits > COMPRESSED_BITS ? QUICKEST : bits > PROGRAM_BITS ? QUICK : THOROUGH;
}

/** The same where a piece is a member of its own ({@link MemberMaker}). */
export function memberLevelFor(data: Uint8Array): number {
  return byteEntropy(data) > COMPRESSED_BITS ? QUICKEST : MEMBER_LEVEL;
}

/** Shannon's, of single bytes, in samples from all over; bits a byte. */
export function byteEntropy(data: Uint8Array): number {
  const counts = new Uint32Array(256);
  const stride = Math.max(SAMPLE_BYTES, Math.floor(data.length / SAMPLES));
  let total = 0;
  for (let start = 0; start < data.length; start += stride) {
    const end = Math.min(start + SAMPLE_BYTES, data.length);
    for (let at = start; at < end; at++) counts[data[at]!]!++;
    total += end - start;
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / total);
  return total === 0 ? 0 : bits / total;
}
