import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExposed, parsePortSpec } from "./port-specs.ts";

const show = (spec: string) =>
  parsePortSpec(spec).map(
    ({ hostIp, hostPort, containerPort, protocol }) => `${hostIp}|${hostPort}|${containerPort}/${protocol}`,
  );

test("-p as docker reads it", () => {
  const table: Record<string, string[]> = {
    "80": ["||80/tcp"],
    "80/udp": ["||80/udp"],
    "80/TCP": ["||80/tcp"],
    "8080:80": ["|8080|80/tcp"],
    "127.0.0.1:8080:80": ["127.0.0.1|8080|80/tcp"],
    "127.0.0.1::80": ["127.0.0.1||80/tcp"],
    "[::1]:8080:80": ["::1|8080|80/tcp"],
    "::1:8080:80": ["::1|8080|80/tcp"],
    "80-81": ["||80/tcp", "||81/tcp"],
    "9000-9001:90-91/udp": ["|9000|90/udp", "|9001|91/udp"],
    "9000-9005:90": ["|9000-9005|90/tcp"],
    "5000:5000/sctp": ["|5000|5000/sctp"],
  };
  for (const [spec, expected] of Object.entries(table)) assert.deepEqual(show(spec), expected, spec);
});

test("what is none, in docker's words", () => {
  const table: Record<string, string> = {
    "": "no port specified: <empty>",
    "8080:": "no port specified: 8080:<empty>",
    x: "invalid containerPort: x",
    "70000": "invalid containerPort: 70000",
    "x:80": "invalid hostPort: x",
    "1.2.3:80:80": "invalid IP address: 1.2.3",
    "80/http": "invalid proto: http",
    "1-2:1-3": "invalid ranges specified for container and host Ports: 1-3 and 1-2",
    "81-80": "invalid containerPort: 81-80",
  };
  for (const [spec, message] of Object.entries(table))
    assert.throws(() => parsePortSpec(spec), { message, code: "PORT_INVALID" }, spec);
});

test("--expose and EXPOSE", () => {
  assert.deepEqual(parseExposed("80"), ["80/tcp"]);
  assert.deepEqual(parseExposed("8000-8002/udp"), ["8000/udp", "8001/udp", "8002/udp"]);
  assert.throws(() => parseExposed("web"), { message: "invalid range format for --expose: web" });
});
