import { describe, expect, it } from "@effect/vitest"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import fc from "fast-check"
import * as Grant from "../../src/protocol/Grant.ts"
import * as TokenRequest from "../../src/protocol/TokenRequest.ts"

const empty = TokenRequest.make([])

const authorization = (id: string, secret: string, raw = false) =>
  TokenRequest.encode(TokenRequest.withBasic(empty, id, Redacted.make(secret), { raw }), "form").headers[
    "authorization"
  ]!

describe("Basic authentication", () => {
  it("encodes the known vector (S084)", () => {
    expect(authorization("1PpG/Q 1", "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=")).toBe(
      "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="
    )
  })

  it("leaves everything as it is where the server wants it raw", () => {
    expect(authorization("me", "s e+c%r&t", true)).toBe(`Basic ${btoa("me:s e+c%r&t")}`)
    expect(new TextDecoder().decode(Buffer.from(authorization("me", "ü€", true).slice(6), "base64"))).toBe("me:ü€")
  })

  it("comes back as it was, whatever the characters (S084)", { timeout: 60_000 }, () => {
    const decoded = (text: string) => new URLSearchParams(`v=${text}`).get("v")
    const text = fc.string({ unit: "grapheme" })
    fc.assert(
      fc.property(text, text, (id, secret) => {
        const [first, second, ...rest] = Encoding.decodeBase64String(authorization(id, secret).slice("Basic ".length))
          .pipe((decoded) => (decoded._tag === "Right" ? decoded.right : expect.fail("not base64")))
          .split(":")
        expect([decoded(first!), decoded(second!), rest]).toEqual([id, secret, []])
      }),
      { numRuns: 10_000 }
    )
  })
})

describe("a form body", () => {
  it("comes back as it was, whatever the characters, and injects nothing (S089, S090)", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 })
    fc.assert(
      fc.property(text, text, (name, value) => {
        const request = TokenRequest.withParam(
          TokenRequest.fromGrant(Grant.clientCredentials()),
          name,
          Redacted.make(value)
        )
        const { body, contentType } = TokenRequest.encode(request, "form")
        expect(contentType).toBe("application/x-www-form-urlencoded")
        expect([...new URLSearchParams(body)]).toEqual([
          ["grant_type", "client_credentials"],
          [name, value]
        ])
      }),
      { numRuns: 2_000 }
    )
  })

  it("encodes what is easily forgotten", () => {
    const request = TokenRequest.make([["v", ` +&=~*"'\n😀`]])
    expect(TokenRequest.encode(request, "form").body).toBe("v=+%2B%26%3D%7E*%22%27%0A%F0%9F%98%80")
  })
})

describe("an echo", () => {
  const secret = "p4ss word+%äö/0123456789"
  const request = TokenRequest.withBasic(
    TokenRequest.make([["code", Redacted.make("c0de-0123456789")]]),
    "me",
    Redacted.make(secret)
  )

  it.each([
    ["plain", `you sent ${secret}`],
    ["the beginning", `you sent ${secret.slice(0, 11)}`],
    ["another parameter", "code c0de-0123456789 is unknown"],
    ["form-encoded", new URLSearchParams({ secret }).toString()],
    ["percent-encoded", encodeURIComponent(secret)],
    ["base64", Encoding.encodeBase64(secret)],
    ["base64url", Encoding.encodeBase64Url(secret)],
    ["the header", authorization("me", secret)],
    ["broken over lines", `p4ss\n word\n+%äö/0123`]
  ])("is recognized: %s (S029)", (_, text) => {
    expect(TokenRequest.isEchoed(request, text)).toBe(true)
  })

  it("is not seen in an ordinary description, nor for a secret too short to be one", () => {
    expect(TokenRequest.isEchoed(request, "The client secret is wrong.")).toBe(false)
    expect(TokenRequest.isEchoed(TokenRequest.make([["a", Redacted.make("is")]]), "this is wrong")).toBe(false)
  })
})

describe("a JSON body", () => {
  it("has arrays where a parameter is repeated, and where it is a list by nature", () => {
    const params = [
      ["scope", "a"],
      ["delegates", "d"],
      ["delegates", "e"],
      ["lifetime", "60s"]
    ] as const
    const body = (lists?: ReadonlyArray<string>) =>
      JSON.parse(TokenRequest.encode({ ...TokenRequest.make(params), lists }, "json").body)
    expect(body()).toEqual({ scope: "a", delegates: ["d", "e"], lifetime: "60s" })
    expect(body(["scope", "delegates"])).toEqual({ scope: ["a"], delegates: ["d", "e"], lifetime: "60s" })
  })
})
