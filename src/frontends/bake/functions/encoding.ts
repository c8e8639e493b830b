// Encodings, hashes, ciphers and identifiers. Counterpart: hashicorp/go-cty-funcs crypto, encoding, uuid; zclconf/go-cty csv.go, json.go.

import { constants, createHash, createPrivateKey, privateDecrypt, randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { hashSync } from "bcryptjs";
import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { ConversionError } from "../values/convert.ts";
import { jsonToValue, valueToJson } from "../values/json.ts";
import { NUMBER, STRING, objectOf } from "../values/types.ts";
import { asString, listValue, objectValue, stringValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { any, anyOrNull, define, defineVariadic, number, quote, text, wholeNumber } from "./function.ts";

const hash = (algorithm: string): HclFunction =>
  define([text("str")], STRING, (str) => stringValue(createHash(algorithm).update(asString(str)).digest("hex")));

const noBuffers = define([any("buf")], NUMBER, () => {
  throw new FunctionError("bytes required", 0);
});

export const encodingFunctions: Readonly<Record<string, HclFunction>> = {
  base64decode: define([text("str")], STRING, (str) => {
    const given = asString(str);
    const bytes = fromBase64(given);
    if (bytes === undefined) throw new FunctionError(`failed to decode base64 data '${given}'`);
    try {
      return stringValue(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    } catch {
      throw new FunctionError("the result of decoding the provided string is not valid UTF-8");
    }
  }),
  base64encode: define([text("str")], STRING, (str) => stringValue(Buffer.from(asString(str)).toString("base64"))),
  bcrypt: defineVariadic([text("str")], number("cost"), STRING, ([str, cost, ...more]) => {
    if (more.length > 0) throw new FunctionError("bcrypt() takes no more than two arguments");
    const given = cost === undefined ? 10 : wholeNumber(cost);
    // bcrypt's own floor: a lower cost counts as the default.
    const rounds = given < 4 ? 10 : given;
    if (rounds > 31)
      throw new FunctionError(
        `error occured generating password crypto/bcrypt: cost ${rounds} is outside allowed inclusive range 4..31`,
      );
    if (Buffer.byteLength(asString(str!)) > 72) {
      throw new FunctionError("error occured generating password bcrypt: password length exceeds 72 bytes");
    }
    return stringValue(hashSync(asString(str!), rounds).replace(/^\$2b\$/, "$2a$"));
  }),
  // Values of type bytes can't be written in a bake file: these two exist to be refused.
  byteslen: noBuffers,
  bytesslice: { ...noBuffers, parameters: [any("buf"), number("offset"), number("length")] },
  csvdecode: define([text("str")], undefined, decodeCsv),
  homedir: define([], STRING, () => stringValue(homedir())),
  jsondecode: define([text("str")], undefined, (str) => {
    try {
      return jsonToValue(asString(str));
    } catch (error) {
      if (error instanceof ConversionError) throw new FunctionError(error.message);
      throw error;
    }
  }),
  jsonencode: define([anyOrNull("val")], STRING, (value) => {
    try {
      return stringValue(valueToJson(value));
    } catch (error) {
      if (error instanceof ConversionError) throw new FunctionError(error.message);
      throw error;
    }
  }),
  md5: hash("md5"),
  rsadecrypt: define([text("ciphertext"), text("privatekey")], STRING, decryptRsa),
  sha1: hash("sha1"),
  sha256: hash("sha256"),
  sha512: hash("sha512"),
  urlencode: define([text("str")], STRING, (str) =>
    stringValue(
      encodeURIComponent(asString(str))
        .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
        .replaceAll("%20", "+"),
    ),
  ),
  uuidv4: define([], STRING, () => stringValue(randomUUID())),
  uuidv5: define([text("namespace"), text("name")], STRING, uuidFromName),
};

function fromBase64(given: string): Buffer | undefined {
  const compact = given.replace(/[\r\n]/g, "");
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, "base64");
}

function decryptRsa(ciphertext: Value, privateKey: Value): Value {
  const given = asString(ciphertext);
  const bytes = fromBase64(given);
  if (bytes === undefined) {
    throw new FunctionError(`failed to decode input ${quote(given)}: cipher text must be base64-encoded`);
  }
  const pem = asString(privateKey);
  if (!/-----BEGIN [A-Z0-9 ]+-----/.test(pem)) throw new FunctionError("failed to parse key: no key found");
  if (pem.includes("Proc-Type: 4,ENCRYPTED")) {
    throw new FunctionError(
      "failed to parse key: password protected keys are not supported. Please decrypt the key prior to use",
    );
  }
  try {
    const key = createPrivateKey({ key: pem, format: "pem" });
    return stringValue(privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, bytes).toString("utf8"));
  } catch {
    // The library's messages may hold parts of the key: they are not passed on.
    throw new FunctionError("the key does not decrypt the text");
  }
}

const namespaces: Readonly<Record<string, string>> = {
  dns: "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
  url: "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
  oid: "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
  x500: "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
};

/** Spec: RFC 9562 section 5.5. */
function uuidFromName(namespaceValue: Value, name: Value): Value {
  const given = asString(namespaceValue);
  const namespace = namespaces[given] ?? given.replace(/^urn:uuid:/i, "").replace(/^\{(.*)\}$/, "$1");
  const hex = namespace.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(hex)) {
    throw new FunctionError(`uuidv5() doesn't support namespace ${given} (invalid UUID length: ${given.length})`);
  }
  const bytes = createHash("sha1").update(Buffer.from(hex, "hex")).update(asString(name)).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return stringValue(bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"));
}

function decodeCsv(str: Value): Value {
  const [headers, ...rows] = csvRecords(asString(str));
  if (headers === undefined) throw new FunctionError("missing header line");
  const twice = headers.find((name, at) => headers.indexOf(name) !== at);
  if (twice !== undefined) throw new FunctionError(`duplicate column name ${quote(twice)}`);
  const values = rows.map((row, at) => {
    if (row.length !== headers.length)
      throw new FunctionError(`CSV parse error on line ${at + 2}: wrong number of fields`);
    return objectValue(headers.map((name, column) => [name, stringValue(row[column]!)]));
  });
  return listValue(values, objectOf(new Map(headers.map((name) => [name, STRING]))));
}

/** Records of RFC 4180; empty lines do not count. @throws FunctionError naming the line. */
function csvRecords(given: string): string[][] {
  const records: string[][] = [];
  const lines = given.replaceAll("\r\n", "\n");
  let line = 1;
  for (let at = 0; at < lines.length;) {
    if (lines[at] === "\n") {
      at++;
      line++;
      continue;
    }
    const record: string[] = [];
    for (;;) {
      let field: string;
      if (lines[at] === '"') {
        const match = /"((?:[^"]|"")*)"/y;
        match.lastIndex = at;
        const found = match.exec(lines);
        if (found === null)
          throw new FunctionError(`CSV parse error on line ${line}: extraneous or missing " in quoted-field`);
        field = found[1]!.replaceAll('""', '"');
        line += found[0].split("\n").length - 1;
        at = match.lastIndex;
        if (at < lines.length && lines[at] !== "," && lines[at] !== "\n") {
          throw new FunctionError(`CSV parse error on line ${line}: extraneous or missing " in quoted-field`);
        }
      } else {
        const end = /[,\n]/g;
        end.lastIndex = at;
        const stop = end.exec(lines)?.index ?? lines.length;
        field = lines.slice(at, stop);
        if (field.includes('"')) throw new FunctionError(`CSV parse error on line ${line}: bare " in non-quoted-field`);
        at = stop;
      }
      record.push(field);
      if (lines[at] !== ",") break;
      at++;
    }
    records.push(record);
    if (lines[at] === "\n") line++;
    at++;
  }
  return records;
}
