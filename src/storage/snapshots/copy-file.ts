// Copies one file's bytes inside the kernel: shared blocks where the file system can, else copy_file_range, else read and write.

import * as fs from "node:fs";
import { type ByteString, fsPath } from "../../base/index.ts";

/** Copies content only, into a new file. @throws EEXIST … */
export function copyFile(source: ByteString, target: ByteString): void {
  fs.copyFileSync(fsPath(source), fsPath(target), fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL);
}
