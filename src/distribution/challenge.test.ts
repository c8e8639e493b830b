// Challenges and endpoints: tables.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChallenges } from "./challenge.ts";
import { endpointsOf, isLoopback } from "./endpoints.ts";

test("challenges: one, several, quoted and bare parameters", () => {
  const cases: [string | string[] | undefined, [string, Record<string, string>][]][] = [
    [undefined, []],
    ["", []],
    ["Basic", [["basic", {}]]],
    [`Basic realm="a b"`, [["basic", { realm: "a b" }]]],
    [
      `Bearer realm="https://auth.example/token",service="s",scope="repository:a/b:pull,push"`,
      [["bearer", { realm: "https://auth.example/token", service: "s", scope: "repository:a/b:pull,push" }]],
    ],
    [`BEARER Realm = x , Service=y`, [["bearer", { realm: "x", service: "y" }]]],
    [
      `Negotiate, Basic realm="x\\"y"`,
      [
        ["negotiate", {}],
        ["basic", { realm: 'x"y' }],
      ],
    ],
    [
      [`Basic realm=a`, `Bearer realm=b`],
      [
        ["basic", { realm: "a" }],
        ["bearer", { realm: "b" }],
      ],
    ],
    [`"junk"`, []],
  ];
  for (const [header, expected] of cases) {
    const actual = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
    assert.deepEqual(actual, expected, String(header));
  }
});

test("any header is read to its end", () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => Array.isArray(parseChallenges(text))));
});

test("loopback is known by the address itself", () => {
  const cases: Record<string, boolean> = {
    localhost: true,
    "localhost:5000": true,
    "127.0.0.1": true,
    "127.1.2.3:80": true,
    "[::1]:5000": true,
    "127.0.0.1.example": false,
    "127.example:80": false,
    "localhost.example": false,
    "10.0.0.1:5000": false,
    "[::2]": false,
  };
  for (const [host, expected] of Object.entries(cases)) assert.equal(isLoopback(host), expected, host);
});

test("endpoints: Docker Hub, loopback, mirrors with paths, insecure registries", () => {
  const urls = (...input: Parameters<typeof endpointsOf>) =>
    endpointsOf(...input).map(({ base, verifyTls, namespace }) =>
      `${base}${verifyTls ? "" : " unverified"} ${namespace ?? ""}`.trim(),
    );
  assert.deepEqual(urls("docker.io"), ["https://registry-1.docker.io/v2/"]);
  assert.deepEqual(urls("localhost:5000"), ["http://localhost:5000/v2/"]);
  assert.deepEqual(urls("localhost:5000", { "localhost:5000": { http: false } }), ["https://localhost:5000/v2/"]);
  assert.deepEqual(urls("reg.example", { "reg.example": { http: true } }), ["http://reg.example/v2/"]);
  assert.deepEqual(urls("reg.example", { "reg.example": { insecure: true } }), [
    "https://reg.example/v2/ unverified",
    "http://reg.example/v2/",
  ]);
  assert.deepEqual(urls("reg.example", { "reg.example": { insecure: true, http: false } }), [
    "https://reg.example/v2/ unverified",
  ]);
  assert.deepEqual(
    urls("docker.io", {
      "docker.io": { mirrors: ["m.example", "http://n.example/a/b/", "o.example:1"] },
      "o.example:1": { http: true },
    }),
    [
      "https://m.example/v2/ docker.io",
      "http://n.example/v2/a/b/ docker.io",
      "http://o.example:1/v2/ docker.io",
      "https://registry-1.docker.io/v2/",
    ],
  );
});
