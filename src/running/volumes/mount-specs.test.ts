import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountFields, parseTmpfsSpec, parseVolumeSpec } from "./mount-specs.ts";

const bind = (source: string, target: string, more: object = {}) => ({
  kind: "bind",
  source,
  target,
  readOnly: false,
  createSource: true,
  propagation: undefined,
  ...more,
});
const volume = (name: string, target: string, more: object = {}) => ({
  kind: "volume",
  name,
  target,
  readOnly: false,
  noCopy: false,
  ...more,
});

test("-v as docker reads it", () => {
  const table: [string, object][] = [
    ["/data", volume("", "/data")],
    ["db:/data", volume("db", "/data")],
    ["db:/data:ro", volume("db", "/data", { readOnly: true })],
    ["db:/data:ro,nocopy", volume("db", "/data", { readOnly: true, noCopy: true })],
    ["/src:/app", bind("/src", "/app")],
    ["./src:/app:ro", bind("/home/me/src", "/app", { readOnly: true })],
    ["..:/app", bind("/home", "/app")],
    ["/src:/app:rshared,rw", bind("/src", "/app", { propagation: "rshared" })],
    ["/src:/app:cached", bind("/src", "/app")],
  ];
  for (const [text, mount] of table) assert.deepEqual(parseVolumeSpec(text, "/home/me"), { mount, notes: [] }, text);
  assert.deepEqual(parseVolumeSpec("/a:/b:Z", "/").notes, ["-v /a:/b:Z: the SELinux option Z is ignored"]);
});

test("-v that is none, in docker's words", () => {
  const table: Record<string, string> = {
    "": "invalid empty volume spec",
    "a:b": `invalid volume specification: 'a:b': invalid mount config for type "volume": invalid mount path: 'b' mount path must be absolute`,
    "/a:b": `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    "/a:/": `invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    "/a:/b:what": "invalid mode: what",
    "/a:/b:ro:rw": "invalid spec: /a:/b:ro:rw: too many colons",
    "/a:/b:nocopy": "invalid mode: nocopy",
    "db:/b:shared": "invalid mode: shared",
  };
  for (const [text, message] of Object.entries(table))
    assert.throws(() => parseVolumeSpec(text, "/"), { message }, text);
});

test("--mount", () => {
  const parse = (text: string) => parseMountFields(text.split(","), "/home/me").mount;
  assert.deepEqual(parse("type=bind,src=x,dst=/app,readonly,bind-propagation=rslave"), {
    kind: "bind",
    source: "/home/me/x",
    target: "/app",
    readOnly: true,
    createSource: false,
    propagation: "rslave",
    nonRecursive: false,
  });
  assert.deepEqual(
    parse("source=db,destination=/data,volume-nocopy,volume-subpath=a/b,volume-label=x=y,volume-opt=o=bind"),
    {
      ...volume("db", "/data", { noCopy: true }),
      subpath: "a/b",
      labels: { x: "y" },
      driverOptions: { o: "bind" },
    },
  );
  assert.deepEqual(parse("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770"), {
    kind: "tmpfs",
    target: "/t",
    readOnly: false,
    sizeBytes: 1048576,
    mode: 0o1770,
  });
  const bad: Record<string, RegExp> = {
    "type=bind,src=/x": /target is required$/,
    "type=bind,dst=/x": /field Source must not be empty$/,
    "type=tmpfs,src=/x,dst=/y": /field Source must not be specified$/,
    "type=magic,dst=/x": /: invalid mount config for type "magic": mount type unknown$/,
    "dst=/x,what=y": /unexpected key 'what' in 'what=y'$/,
    "dst=/x,what": /invalid field 'what' must be a key=value pair$/,
    "type=bind,src=/x,dst=/y,volume-nocopy": /cannot mix 'volume-\*' options with mount type 'bind'$/,
    "type=bind,src=/x,dst=/y,readonly=perhaps": /invalid value for readonly: perhaps$/,
  };
  for (const [text, message] of Object.entries(bad)) assert.throws(() => parse(text), message, text);
});

test("--tmpfs", () => {
  assert.deepEqual(parseTmpfsSpec("/run:rw,size=64m"), {
    kind: "tmpfs",
    target: "/run",
    readOnly: false,
    options: "rw,size=64m",
  });
  assert.throws(() => parseTmpfsSpec("run"), { message: "invalid mount path: 'run' mount path must be absolute" });
});
