/**
 * What proves that a request never left this machine, on each runtime: the connection was never made, so the server cannot have acted on it.
 * Everything else counts as sent.
 *
 * @module
 */

/** What was in the way, in fixed words: an error's own text can quote the request. */
export type Proof =
  | "connection refused"
  | "name not found"
  | "no route to it"
  | "connection not made"
  | "connection timed out"
  | "its certificate was not accepted"
  | "the program may not use the network: run it with Deno's --allow-net"

/** Error codes that occur only while connecting: Node's own, those of undici (Node's fetch) and of Bun. */
const codes: ReadonlyMap<string, Proof> = /* @__PURE__ */ new Map(
  /* @__PURE__ */ Object.entries<Proof>({
    ECONNREFUSED: "connection refused",
    ConnectionRefused: "connection refused",
    ENOTFOUND: "name not found",
    EAI_AGAIN: "name not found",
    EAI_NODATA: "name not found",
    EAI_NONAME: "name not found",
    UND_ERR_CONNECT_TIMEOUT: "connection timed out",
    CERT_HAS_EXPIRED: "its certificate was not accepted",
    CERT_NOT_YET_VALID: "its certificate was not accepted",
    CERT_REVOKED: "its certificate was not accepted",
    CERT_UNTRUSTED: "its certificate was not accepted",
    DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate was not accepted",
    ERR_TLS_CERT_ALTNAME_INVALID: "its certificate was not accepted",
    SELF_SIGNED_CERT_IN_CHAIN: "its certificate was not accepted",
    UNABLE_TO_GET_ISSUER_CERT: "its certificate was not accepted",
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate was not accepted",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate was not accepted"
  })
)

/** These also occur on a connection that was made: they prove something only if it was `connect` that failed. */
const connecting: ReadonlyMap<string, Proof> = /* @__PURE__ */ new Map(
  /* @__PURE__ */ Object.entries<Proof>({
    EHOSTUNREACH: "no route to it",
    ENETUNREACH: "no route to it",
    EADDRNOTAVAIL: "no route to it",
    ECONNRESET: "connection not made",
    ETIMEDOUT: "connection timed out"
  })
)

/** Deno's fetch gives no code, only a text; Node has no code of its own for a TLS handshake that broke off. */
const texts: ReadonlyArray<readonly [pattern: RegExp, proof: Proof]> = [
  [/client error \(Connect\).*(dns error|failed to lookup address)/is, "name not found"],
  [/client error \(Connect\).*connection refused/is, "connection refused"],
  [/client error \(Connect\).*invalid peer certificate/is, "its certificate was not accepted"],
  [/client error \(Connect\)/i, "connection not made"],
  [/^Client network socket disconnected before secure TLS connection was established$/, "connection not made"]
]

/** Why a request that failed with `cause` was never sent, or undefined if it may have been. */
export const neverSent = (cause: unknown, depth = 0): Proof | undefined => {
  if (!(cause instanceof Error) || depth > 4) return undefined
  if (cause.name === "NotCapable") return "the program may not use the network: run it with Deno's --allow-net"
  const { code, errors, syscall } = cause as { code?: unknown; errors?: unknown; syscall?: unknown }
  // One attempt per address: all of them have to have failed.
  if (Array.isArray(errors) && errors.length > 0) {
    const proofs = errors.map((error) => neverSent(error, depth + 1))
    return proofs.includes(undefined) ? undefined : proofs[0]
  }
  if (typeof code === "string") {
    const proof = codes.get(code) ?? (syscall === "connect" ? connecting.get(code) : undefined)
    if (proof !== undefined) return proof
  }
  return texts.find(([pattern]) => pattern.test(cause.message))?.[1] ?? neverSent(cause.cause, depth + 1)
}
