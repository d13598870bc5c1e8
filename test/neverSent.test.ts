import { describe, expect, it } from "@effect/vitest"
import { neverSent } from "../src/internal/neverSent.ts"

const error = (fields: object, message = "failed") => Object.assign(new Error(message), fields)

describe("the proof that nothing was sent (S071)", () => {
  it.each<readonly [string, unknown, string | undefined]>([
    ["refused", error({ code: "ECONNREFUSED", syscall: "connect" }), "connection refused"],
    [
      "refused, inside what fetch says",
      new TypeError("fetch failed", { cause: error({ code: "ECONNREFUSED" }) }),
      "connection refused"
    ],
    ["no time to connect", error({ code: "UND_ERR_CONNECT_TIMEOUT" }), "connection timed out"],
    ["no answer to connect", error({ code: "ETIMEDOUT", syscall: "connect" }), "connection timed out"],
    ["no route to connect", error({ code: "EHOSTUNREACH", syscall: "connect" }), "no route to it"],
    ["no answer to read", error({ code: "ETIMEDOUT", syscall: "read" }), undefined],
    ["no route while writing", error({ code: "EHOSTUNREACH", syscall: "write" }), undefined],
    ["reset", error({ code: "ECONNRESET", syscall: "read" }), undefined],
    ["hung up", error({ code: "ECONNRESET" }, "socket hang up"), undefined],
    ["broken pipe", error({ code: "EPIPE", syscall: "write" }), undefined],
    ["no headers in time", error({ code: "UND_ERR_HEADERS_TIMEOUT" }), undefined],
    ["closed after sending (Deno)", error({}, "client error (SendRequest): connection refused"), undefined],
    [
      "every address refused",
      new AggregateError([error({ code: "ECONNREFUSED" }), error({ code: "ENETUNREACH", syscall: "connect" })]),
      "connection refused"
    ],
    [
      "one address reset",
      new AggregateError([error({ code: "ECONNREFUSED" }), error({ code: "ECONNRESET", syscall: "read" })]),
      undefined
    ],
    ["no address at all", new AggregateError([]), undefined],
    ["an inherited code", error({ code: "toString" }), undefined],
    ["no error", { code: "ECONNREFUSED" }, undefined],
    ["nothing", undefined, undefined]
  ])("%s", (_, cause, expected) => {
    expect(neverSent(cause)).toBe(expected)
  })

  it("ends for an error that is its own cause", () => {
    const circular = error({})
    circular.cause = circular
    expect(neverSent(circular)).toBeUndefined()
  })
})
