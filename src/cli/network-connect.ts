// `slipway network connect|disconnect`.

export function runConnect(): Promise<number> {
  return Promise.reject(new Error("connecting containers is not yet supported"));
}

export function runDisconnect(): Promise<number> {
  return Promise.reject(new Error("disconnecting containers is not yet supported"));
}
