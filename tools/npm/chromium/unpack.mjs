// Unpacks the Chromium of the package beside this file: node unpack.mjs FOLDER

import { createReadStream, createWriteStream } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";

const folder = process.argv[2];
const packed = new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url);

/// Decompresses one file of the package into `sink`.
function unpack(name, sink) {
  return pipeline(createReadStream(new URL(`${name}.br`, packed)), createBrotliDecompress(), sink);
}

const program = join(folder, "chromium");
await unpack("chromium", createWriteStream(program));
await chmod(program, 0o755);
// lib/: NSS, NSPR and Expat; fonts/: Open Sans.
await unpack("al2023.tar", extract(folder));
await unpack("fonts.tar", extract(folder));
