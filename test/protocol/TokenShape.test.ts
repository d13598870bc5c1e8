import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TokenResponse from "../../src/protocol/TokenResponse.ts"
import * as TokenShape from "../../src/protocol/TokenShape.ts"

describe("a shape", () => {
  it.each<[TokenShape.TokenShape, unknown, unknown]>([
    [{}, { access_token: "t", expires_in: 1, other: 2 }, { access_token: "t", expires_in: 1 }],
    [
      { accessToken: "result.access_token" },
      { expires_in: 9, result: { access_token: "t", refresh_token: "r", id_token: "i", scope: "a", expires_in: 1 } },
      { access_token: "t", refresh_token: "r", id_token: "i", scope: "a", expires_in: 1 }
    ],
    [{ accessToken: "result" }, { result: "t", expires_in: 1 }, { access_token: "t", expires_in: 1 }],
    [
      { accessToken: "status.token", expiresAt: "status.expirationTimestamp" },
      { status: { token: "t", expirationTimestamp: "2030-01-01T00:00:00Z" } },
      { access_token: "t", expires_at: "2030-01-01T00:00:00Z" }
    ],
    [{ accessToken: "a.b.c" }, { a: { b: "no object" } }, {}],
    [{ accessToken: "a.0" }, { a: ["t"] }, {}],
    [{ accessToken: "__proto__.x" }, JSON.parse(`{"__proto__":{"x":"t"}}`), { access_token: "t" }],
    [{ accessToken: "toString" }, {}, {}],
    [{ accessToken: "token" }, { token: null }, {}]
  ])("%j finds in %j the parts %j", (shape, members, parts) => {
    expect(TokenShape.read(shape, members as Record<string, unknown>)).toEqual(parts)
  })

  it.each<[boolean, TokenShape.TokenShape]>([
    [true, {}],
    [true, { accessToken: "a.b", expiresIn: "c" }],
    [false, { accessToken: "" }],
    [false, { accessToken: "a..b" }],
    [false, { refreshToken: ".a" }],
    [false, { expiresAt: "a." }]
  ])("works: %j for %j", (works, shape) => {
    expect(Option.isNone(TokenShape.check(shape))).toBe(works)
  })
})

describe("an answer of another shape", () => {
  const requestedAt = DateTime.unsafeMake(0)
  const decode = (body: unknown, shape: TokenShape.TokenShape) =>
    TokenResponse.decode({ provider: "Test", status: 200, headers: {}, body: JSON.stringify(body), requestedAt, shape })

  it("is a token by the same rules as any other", () => {
    const token = Either.getOrThrow(
      decode(
        { code: 200, result: { access_token: "t", expires_in: "60", refresh_token: "r", token_type: "Bearer" } },
        { accessToken: "result.access_token" }
      )
    )
    expect(Redacted.value(token.accessToken)).toBe("t")
    expect(Option.map(token.expiresAt, DateTime.toEpochMillis)).toEqual(Option.some(60_000))
    expect(Option.map(token.refreshToken, Redacted.value)).toEqual(Option.some("r"))
    expect(Redacted.value(token.extra)).toEqual({})
  })

  it.each<[unknown, TokenShape.TokenShape, string]>([
    [{ result: {} }, { accessToken: "result.access_token" }, "access_token is missing"],
    [{ result: { token: 7 } }, { accessToken: "result.token" }, "access_token is missing"],
    [{ token: "t", until: "tomorrow" }, { accessToken: "token", expiresAt: "until" }, "expires_at is neither"]
  ])("%j is refused", (body, shape, description) => {
    const answer = decode(body, shape)
    expect(Either.isLeft(answer) && answer.left.message).toContain(description)
  })
})
