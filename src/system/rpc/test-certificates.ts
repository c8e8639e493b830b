// Certificates for tests: an authority, and a pair for 127.0.0.1 that serves both ends.

import { execFileSync } from "node:child_process";

/** Writes ca.pem, ca.key, cert.pem and key.pem; `name` is what the pair is for. */
export function makeTestCertificates(dir: string, name: string): void {
  const openssl = (...args: readonly string[]) => void execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem");
  const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  openssl("req", ...key, ...names, "-keyout", "key.pem", "-out", "req.pem");
  const sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-copy_extensions", "copy"];
  openssl("x509", "-req", "-in", "req.pem", ...sign, "-out", "cert.pem");
}
