import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";
import {
  compareBytes,
  decodeDefinition,
  DiffVertex,
  encodeCanonical,
  EnvList,
  imageSource,
  localSource,
  marshalState,
  printDefinition,
  State,
  stateOfDefinition,
  VertexOutput,
} from "./index.ts";

const LINUX = { os: "linux", architecture: "amd64" };

void test("canonical bytes: plain fields first, members of a oneof last, maps by key, empty messages kept", () => {
  const op = create(pb.OpSchema, {
    constraints: {},
    op: { case: "source", value: create(pb.SourceOpSchema, { identifier: "x", attrs: { b: "2", a: "1" } }) },
  });
  const bytes = Buffer.from(encodeCanonical(pb.OpSchema, op)).toString("hex");
  assert.equal(bytes, "5a00" + "1a13" + "0a0178" + "12060a016112013112060a0162120132");
  assert.deepEqual(fromBinary(pb.OpSchema, Buffer.from(bytes, "hex")), op);
});

void test("canonical bytes: -1 takes ten bytes, a scalar member of a oneof is written even when 0", () => {
  const action = create(pb.FileActionSchema, { input: -1n });
  assert.equal(Buffer.from(encodeCanonical(pb.FileActionSchema, action)).toString("hex"), "08ffffffffffffffffff01");
  const user = create(pb.UserOptSchema, { user: { case: "byID", value: 0 } });
  assert.equal(Buffer.from(encodeCanonical(pb.UserOptSchema, user)).toString("hex"), "1000");
});

void test("invalid UTF-8, carried as a lone surrogate, cannot be marshalled", () => {
  const state = imageSource("docker.io/library/a:b\udcff", { platform: LINUX });
  assert.throws(() => marshalState(state), { code: "INVALID_UTF8", message: "string field contains invalid UTF-8" });
});

void test("a definition lists inputs first, each digest once, and ends with the result", () => {
  const image = imageSource("docker.io/library/alpine:3.20", { platform: LINUX });
  const context = localSource("context", { sessionId: "s" });
  const copied = image.file([{ kind: "copy", from: context.output, source: "/a", destination: "/b" }]);
  const again = copied.file([
    { kind: "copy", from: localSource("context", { sessionId: "s" }).output, source: "/c", destination: "/d" },
  ]);
  const decoded = decodeDefinition(marshalState(again));
  assert.deepEqual(
    decoded.ops.map(({ op }) => op.op.case),
    ["source", "source", "file", "file"],
  );
  assert.equal(decoded.head?.digest, decoded.ops.at(-1)?.digest);
  assert.equal(decoded.head?.index, 0);
});

void test("a very long chain needs no deep stack", () => {
  let state = imageSource("docker.io/library/alpine:3.20", { platform: LINUX });
  for (let step = 0; step < 20_000; step++) state = state.file([{ kind: "mkdir", path: `/${step}`, mode: 0o755 }]);
  assert.equal(decodeDefinition(marshalState(state)).ops.length, 20_001);
});

void test("scratch is an empty definition; merging with it changes nothing", () => {
  assert.equal(marshalState(State.scratch()).def.length, 0);
  assert.equal(decodeDefinition(create(pb.DefinitionSchema)).head, undefined);
  const image = imageSource("docker.io/library/alpine:3.20", { platform: LINUX });
  assert.equal(State.merge([State.scratch(), image]), image);
});

void test("a diff may start from scratch", () => {
  const image = imageSource("docker.io/library/alpine:3.20", { platform: LINUX });
  const diff = State.of(new VertexOutput(new DiffVertex(undefined, image.output, {})));
  const { op } = decodeDefinition(marshalState(diff)).ops.at(-1)!.op;
  assert.equal(op.case, "diff");
  assert.deepEqual([(op.value as pb.DiffOp).lower?.input, (op.value as pb.DiffOp).upper?.input], [-1n, 0n]);
});

void test("a decoded definition marshals to the same bytes", () => {
  const state = imageSource("docker.io/library/alpine:3.20", { platform: LINUX }).run({ args: ["true"] });
  const definition = marshalState(state, { supports: () => true });
  const again = marshalState(stateOfDefinition(definition), { supports: () => true });
  assert.deepEqual(again.def, definition.def);
});

void test("hostile definitions are refused", () => {
  const bytes = (op: Parameters<typeof create<typeof pb.OpSchema>>[1]) =>
    encodeCanonical(pb.OpSchema, create(pb.OpSchema, op));
  const refuse = (...def: Uint8Array[]) =>
    assert.throws(() => decodeDefinition(create(pb.DefinitionSchema, { def })), { code: "INVALID_DEFINITION" });
  refuse(new Uint8Array([255]));
  refuse(bytes({}));
  refuse(bytes({ inputs: [{ digest: "sha256:nowhere" }] }));
  const [source] = marshalState(imageSource("docker.io/library/a:b", { platform: LINUX })).def;
  const { digest } = decodeDefinition(marshalState(imageSource("docker.io/library/a:b", { platform: LINUX }))).head!;
  refuse(source!, bytes({ inputs: [{ digest, index: -1n }] }));
  refuse(bytes({ inputs: [{ digest }] }), source!);
});

void test("environment: a redefined name moves to the end, old versions stay as they were", () => {
  const first = EnvList.empty.set("A", "1").set("B", "2");
  const second = first.set("A", "3");
  assert.deepEqual(second.toArray(), ["B=2", "A=3"]);
  assert.deepEqual(first.toArray(), ["A=1", "B=2"]);
  assert.deepEqual(second.delete("B").keys(), ["A"]);
  assert.deepEqual(second.toArray(), ["B=2", "A=3"]);
  assert.deepEqual(EnvList.empty.keys(), []);
});

void test("texts are ordered by bytes", () => {
  assert.deepEqual(["\u{1f600}", "\uffff", "z", "é"].sort(compareBytes), ["z", "é", "\uffff", "\u{1f600}"]);
});

void test("a definition prints as one line an op", () => {
  const state = imageSource("docker.io/library/alpine:3.20", { platform: LINUX }).run({
    args: ["make"],
    customName: "[2/2] RUN make",
  });
  assert.equal(
    printDefinition(marshalState(state)),
    " 1 source docker-image://docker.io/library/alpine:3.20\n*2 exec [2/2] RUN make <- 1\n",
  );
});
