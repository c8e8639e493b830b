export { goMode, GO_MODE, unixMode } from "./modes.ts";
export { decodePacket, encodeData, encodeError, encodeFin, encodeRequest, encodeStat, PacketType } from "./packet.ts";
export type { DecodedPacket } from "./packet.ts";
export { comparePaths, decodeStat, encodeStatBody } from "./stat.ts";
export type { FileStat } from "./stat.ts";
