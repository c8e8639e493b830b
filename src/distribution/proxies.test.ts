// Which proxy is asked, as a table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFor } from "./proxies.ts";

const both = { http_proxy: "http://plain.test:1", https_proxy: "http://secure.test:2" };

test("the proxy of a URL, by the environment", () => {
  const cases: [string, Record<string, string>, string | undefined][] = [
    ["https://a.test/", {}, undefined],
    ["http://a.test/", both, "http://plain.test:1/"],
    ["https://a.test/", both, "http://secure.test:2/"],
    ["https://a.test/", { HTTPS_PROXY: "http://upper.test" }, "http://upper.test/"],
    ["http://a.test/", { HTTPS_PROXY: "http://upper.test" }, undefined],
    ["https://a.test/", { HTTP_PROXY: "http://upper.test" }, "http://upper.test/"],
    ["https://a.test/", { HTTPS_PROXY: "http://upper.test", ...both }, "http://secure.test:2/"],
    ["http://a.test/", { http_proxy: "", HTTP_PROXY: "http://upper.test" }, undefined],
    ["http://a.test/", { http_proxy: "user:pw@plain.test:3128" }, "http://user:pw@plain.test:3128/"],
    ["http://a.test/", { http_proxy: "plain.test:3128" }, "http://plain.test:3128/"],
    ["http://localhost:5000/", both, undefined],
    ["https://127.0.0.9/", both, undefined],
    ["https://[::1]:5000/", both, undefined],
  ];
  for (const [url, env, expected] of cases)
    assert.equal(proxyFor(new URL(url), env), expected, `${url} ${JSON.stringify(env)}`);
});

test("NO_PROXY: hosts, subdomains, ports, addresses, networks", () => {
  const cases: [string, string, boolean][] = [
    ["https://a.test/", "", false],
    ["https://a.test/", "*", true],
    ["https://a.test/", "b.test, A.Test", true],
    ["https://a.test/", "b.test a.test.", true],
    ["https://sub.a.test/", "a.test", true],
    ["https://sub.a.test/", ".a.test", true],
    ["https://a.test/", ".a.test", true],
    ["https://sub.a.test/", "*.a.test", true],
    ["https://a.test/", "*.a.test", false],
    ["https://xa.test/", "a.test", false],
    ["https://a.test/", "a.test:443", true],
    ["https://a.test:5000/", "a.test:443", false],
    ["http://a.test/", "a.test:80", true],
    ["https://a.test/", "*:80", false],
    ["https://10.1.2.3/", "10.1.2.3", true],
    ["https://10.1.2.3/", "10.0.0.0/8", true],
    ["https://11.1.2.3/", "10.0.0.0/8", false],
    ["https://10.1.2.3/", "10.0.0.0/99", false],
    ["https://[fd00::1]/", "fd00::1", true],
    ["https://[fd00::1]:5000/", "[fd00::1]:5000", true],
    ["https://[fd00::1]/", "fd00::/8", true],
    ["https://a.test/", "10.0.0.0/8", false],
  ];
  for (const [url, no_proxy, isExempt] of cases) {
    const expected = isExempt ? undefined : proxyFor(new URL(url), both);
    assert.ok(isExempt || expected !== undefined);
    assert.equal(proxyFor(new URL(url), { ...both, no_proxy }), expected, `${url} ${no_proxy}`);
  }
  const upper = { ...both, NO_PROXY: "a.test" };
  assert.equal(proxyFor(new URL("https://a.test/"), upper), undefined);
  assert.equal(proxyFor(new URL("https://a.test/"), { ...upper, no_proxy: "" }), "http://secure.test:2/");
});

test("a proxy that can't be used is named, its password is not", () => {
  for (const [value, said] of [
    ["socks5://user:hunter2@plain.test:1080", "socks5:"],
    ["http://user:hunter2@[", "no URL"],
  ] as const) {
    assert.throws(() => proxyFor(new URL("http://a.test/"), { HTTP_PROXY: value }), {
      code: "PROXY_INVALID",
      message: `the proxy in HTTP_PROXY can't be used: ${said}`,
    });
  }
});
