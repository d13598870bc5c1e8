import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import fc from "fast-check"
import { inspect } from "node:util"
import { JwtError } from "../src/CredentialsError.ts"
import * as Jwt from "../src/Jwt.ts"

const jwt = (claims: unknown, header: unknown = { alg: "RS256" }) =>
  `${Encoding.encodeBase64Url(JSON.stringify(header))}.${Encoding.encodeBase64Url(
    typeof claims === "string" ? claims : JSON.stringify(claims)
  )}.c2ln`

const seconds = (token: string) =>
  Option.getOrUndefined(Option.map(Jwt.expiresAt(token), (at) => DateTime.toEpochMillis(at) / 1000))

describe("a JWT", () => {
  it("shows its header and claims", () => {
    const claims = { sub: "ü€😀", exp: 60, groups: ["a"] }
    expect(Jwt.decode(jwt(claims, { alg: "ES256", kid: "1" }))).toEqual(
      Either.right({ header: { alg: "ES256", kid: "1" }, claims })
    )
    expect(Jwt.decode(Redacted.make(jwt(claims)))).toEqual(Jwt.decode(jwt(claims)))
  })

  it.each([
    ["empty", "", "three parts separated by dots expected"],
    ["opaque", "s3cret", "three parts separated by dots expected"],
    ["two parts", "e30.e30", "three parts separated by dots expected"],
    ["four parts", "e30.e30.x.y", "three parts separated by dots expected"],
    ["encrypted", "a.b.c.d.e", "it is encrypted, only its recipient can look inside"],
    ["empty parts", "..", "the header is not a JSON object in base64url"],
    ["plain base64", "e3+/.e30.x", "the header is not a JSON object in base64url"],
    ["an array", "e30.W10.x", "the claims are not a JSON object in base64url"],
    ["not JSON", "e30.czNjcmV0.x", "the claims are not a JSON object in base64url"],
    ["not UTF-8", "e30.eyL_In0.x", "the claims are not a JSON object in base64url"],
    ["too long", `e30.e30.${"s".repeat(65_536)}`, "at most 65,536 characters expected"]
  ])("is not one that is %s, and nothing of it is quoted (S279)", (_, token, description) => {
    const error = Either.getOrThrowWith(Either.flip(Jwt.decode(token)), () => new Error("decoded"))
    expect(error).toBeInstanceOf(JwtError)
    expect(error.description).toBe(description)
    expect(inspect(error, { depth: 9 })).not.toContain("s3cret")
  })

  it("cannot change what other objects are (S287)", () => {
    const { claims } = Either.getOrThrow(Jwt.decode(jwt(`{"__proto__":{"exp":1}}`)))
    expect(({} as Record<string, unknown>)["exp"]).toBeUndefined()
    expect(claims["exp"]).toBeUndefined()
    expect(seconds(jwt(`{"__proto__":{"exp":1}}`))).toBeUndefined()
  })

  it("never makes decode throw", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.json().map((json) => jwt(json))
        ),
        (token) => {
          Jwt.decode(token)
          Jwt.expiresAt(token)
        }
      ),
      { numRuns: 5_000 }
    )
  })
})

describe("the expiry", () => {
  it.each([
    [60, 60],
    [60.5, 60.5],
    [0, 0],
    [-1, undefined],
    ["60", undefined],
    [null, undefined],
    [true, undefined],
    [[60], undefined],
    [1e308, undefined],
    [1_700_000_000_000, undefined],
    [undefined, undefined]
  ])("of exp %j is %s (S280)", (exp, expected) => {
    expect(seconds(jwt({ exp }))).toBe(expected)
  })

  it("of what is no JWT is unknown", () => {
    expect(Option.isNone(Jwt.expiresAt("opaque"))).toBe(true)
  })

  it.effect("is reached at exp, and with leeway that much later", () =>
    Effect.gen(function* () {
      const token = jwt({ exp: 60 })
      const at = (second: number) =>
        Effect.zipRight(
          TestClock.setTime(second * 1000),
          Effect.all([Jwt.isExpired(token), Jwt.isExpired(Redacted.make(token), { leeway: "30 seconds" })])
        )
      expect(yield* at(59.999)).toEqual([false, false])
      expect(yield* at(60)).toEqual([true, false])
      expect(yield* at(89.999)).toEqual([true, false])
      expect(yield* at(90)).toEqual([true, true])
    })
  )

  it.effect("is never reached where there is none, and fails where it is odd", () =>
    Effect.gen(function* () {
      expect(yield* Jwt.isExpired(jwt({}))).toBe(false)
      expect((yield* Effect.flip(Jwt.isExpired(jwt({ exp: "60" })))).description).toContain("exp")
      expect((yield* Effect.flip(Jwt.isExpired("opaque")))._tag).toBe("JwtError")
    })
  )
})
