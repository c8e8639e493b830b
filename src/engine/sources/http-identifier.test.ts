// Names of downloaded files, dates, attributes and keys.

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../base/index.ts";
import { httpCacheKey, httpFilename, httpRecordKey, httpTimeMs, parseHttpIdentifier } from "./http-identifier.ts";

test("the asked name, the server's, the URL's: never a path", () => {
  const cases: [url: string, asked: string, disposition: string | undefined, name: string][] = [
    ["http://h/a/b.txt?x=/y", "", undefined, "b.txt"],
    ["http://h/a%20b", "", undefined, "a b"],
    ["http://h/a%2f..%2fpasswd", "", undefined, "passwd"],
    ["http://h/", "", undefined, "download"],
    ["http://h/a/", "", undefined, "a"],
    ["http://h/%00", "", undefined, "download"],
    ["http://h/x", "given", 'attachment; filename="served"', "given"],
    ["http://h/x", "../../given", undefined, "given"],
    ["http://h/x", "..", undefined, "download"],
    ["http://h/x", "", 'attachment; filename="served.tar"', "served.tar"],
    ["http://h/x", "", "attachment; filename=served", "served"],
    ["http://h/x", "", 'attachment; filename="a\\"b"', 'a"b'],
    ["http://h/x", "", "attachment; filename=a; filename*=UTF-8''%e2%82%ac", "€"],
    ["http://h/x", "", 'attachment; filename="../../etc/passwd"', "passwd"],
    ["http://h/x", "", 'attachment; filename="dir/"', "x"],
    ["http://h/x", "", 'attachment; filename="unclosed', "x"],
    ["http://h/x", "", "", "x"],
  ];
  for (const [url, filename, disposition, name] of cases) {
    const id = parseHttpIdentifier(url, { "http.filename": filename });
    assert.equal(httpFilename(id, disposition), name, JSON.stringify([url, filename, disposition]));
  }
});

test("a long header is read in linear time", () => {
  const id = parseHttpIdentifier("http://h/x", {});
  for (const part of ["; a", ";", '"', "\\", "a=;", ' ;a="\\'])
    assert.equal(httpFilename(id, `attachment${part.repeat(20_000)}`), "x");
});

test("dates in the three forms of HTTP, and nothing else", () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  for (const text of ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
    assert.equal(httpTimeMs(text), ms, text);
  for (const text of ["", "now", "1994-11-06", "Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 99 Nov 1994 08:49:37 GMT"])
    assert.equal(httpTimeMs(text), undefined, text);
});

test("attributes: numbers as Go reads them, only two headers, no unchecked signature", () => {
  const id = parseHttpIdentifier("http://h/x", {
    "http.perm": "0644",
    "http.uid": "0x10",
    "http.gid": "7",
    "http.header.user-agent": "me",
    "http.header.Accept": "text/plain",
    "http.header.cookie": "no",
  });
  assert.deepEqual([id.perm, id.uid, id.gid], [0o644, 16, 7]);
  assert.deepEqual(id.headers, [
    { Name: "Accept", Value: "text/plain" },
    { Name: "User-Agent", Value: "me" },
  ]);
  assert.notEqual(httpRecordKey(id), httpRecordKey(parseHttpIdentifier("http://h/x", {})));
  for (const attrs of [{ "http.perm": "rw" }, { "http.checksum": "md5:00" }, { "http.checksum": "sha256:00" }])
    assert.throws(() => parseHttpIdentifier("http://h/x", attrs), { code: "INVALID_LLB" });
  assert.throws(() => parseHttpIdentifier("http://h/x", { "http.sig.pubkey": "k" }), { code: "UNSUPPORTED" });
});

test("the cache key is the digest of BuildKit's JSON", () => {
  const sum = digestOf("data");
  const plain = parseHttpIdentifier("http://h/x", { "http.filename": "x" });
  assert.equal(
    httpCacheKey(plain, "x", sum, undefined),
    digestOf(`{"Filename":"x","Perm":0,"UID":0,"GID":0,"Checksum":"${sum}"}`),
  );
  const full = parseHttpIdentifier("http://h/x", { "http.authheadersecret": "s", "http.header.accept": "<a>" });
  assert.equal(
    httpCacheKey(full, "x", sum, "Sunday, 06-Nov-94 08:49:37 GMT"),
    digestOf(
      `{"Filename":"x","Perm":0,"UID":0,"GID":0,"Checksum":"${sum}","LastModTime":"Sun, 06 Nov 1994 08:49:37 GMT","AuthHeaderSecret":"s","Header":[{"Name":"Accept","Value":"\\u003ca\\u003e"}]}`,
    ),
  );
});
