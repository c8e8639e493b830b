// Services by their protobuf descriptors: typed handlers for a server, typed methods for a client.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallOptions, Channel } from "./channel.ts";
import type { ClientCall } from "./client-call.ts";
import type { RawHandler, ServerCall } from "./server-call.ts";
import { RpcError, StatusCode } from "./status.ts";

type Answer<O extends DescMessage> = MessageInitShape<O> | MessageShape<O>;

type Implementation<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, call: ServerCall) => Promise<Answer<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, call: ServerCall) => AsyncIterable<Answer<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, call: ServerCall) => Promise<Answer<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageShape<I>>, call: ServerCall) => AsyncIterable<Answer<O>>
          : never;

/** Handlers by the methods' local names. */
export type ServiceImplementation<S extends DescService> = {
  readonly [Name in keyof S["method"]]?: Implementation<S["method"][Name]>;
};

type Stub<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
          : never;

export type ServiceClient<S extends DescService> = { readonly [Name in keyof S["method"]]: Stub<S["method"][Name]> };

export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The handlers of raw messages that a typed implementation comes to. */
export function serviceHandlers(
  service: DescService,
  implementation: Readonly<Record<string, unknown>>,
): [string, RawHandler][] {
  return service.methods.flatMap((method): [string, RawHandler][] => {
    const typed = implementation[method.localName];
    if (typeof typed !== "function") return [];
    const handler = typed.bind(implementation) as (input: unknown, call: ServerCall) => unknown;
    return [[methodPath(method), rawHandler(method, handler)]];
  });
}

function rawHandler(method: DescMethod, handler: (input: unknown, call: ServerCall) => unknown): RawHandler {
  const streamsIn = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const streamsOut = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  return async (call) => {
    const input = streamsIn
      ? decoded(call.messages, method.input)
      : decode(method.input, await only(call.messages, method));
    const output = handler(input, call);
    const send = (answer: unknown) => call.send(encode(method.output, answer as MessageInitShape<DescMessage>));
    if (streamsOut) for await (const answer of output as AsyncIterable<unknown>) await send(answer);
    else await send(await output);
  };
}

/** Typed methods over a channel. */
export function serviceClient<S extends DescService>(service: S, channel: Channel): ServiceClient<S> {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, stub(method, channel)]),
  ) as unknown as ServiceClient<S>;
}

function stub(method: DescMethod, channel: Channel): (input: unknown, options?: CallOptions) => unknown {
  const streamsIn = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const streamsOut = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  const start = (input: unknown, options: CallOptions = {}) => {
    const call = channel.call(methodPath(method), options);
    return { call, sending: sendAll(call, method, streamsIn ? (input as AsyncIterable<unknown>) : [input]) };
  };
  if (streamsOut) {
    return async function* (input, options) {
      const { call, sending } = start(input, options);
      try {
        yield* decoded(call.messages, method.output);
      } finally {
        await sending;
      }
    };
  }
  return async (input, options) => {
    const { call, sending } = start(input, options);
    const answer = await only(call.messages, method);
    await sending;
    return decode(method.output, answer);
  };
}

/** Never rejects: a call that can't be sent to is told of by its end. */
async function sendAll(
  call: ClientCall,
  method: DescMethod,
  inputs: AsyncIterable<unknown> | Iterable<unknown>,
): Promise<void> {
  try {
    for await (const input of inputs) await call.send(encode(method.input, input as MessageInitShape<DescMessage>));
    call.end();
  } catch {
    call.cancel();
  }
}

async function* decoded(messages: AsyncIterable<Uint8Array>, schema: DescMessage): AsyncGenerator<unknown> {
  for await (const message of messages) yield decode(schema, message);
}

function decode<D extends DescMessage>(schema: D, message: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, message);
  } catch (error) {
    throw new RpcError(StatusCode.INVALID_ARGUMENT, `malformed ${schema.typeName}`, { cause: error });
  }
}

function encode<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Uint8Array {
  return toBinary(schema, create(schema, message));
}

async function only(messages: AsyncIterable<Uint8Array>, method: DescMethod): Promise<Uint8Array> {
  let first: Uint8Array | undefined;
  for await (const message of messages) {
    if (first !== undefined) throw new RpcError(StatusCode.INVALID_ARGUMENT, `${method.name} takes one message`);
    first = message;
  }
  if (first === undefined) throw new RpcError(StatusCode.INTERNAL, `${method.name}: no message came`);
  return first;
}
