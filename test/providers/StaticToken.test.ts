import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/Credentials.ts"
import * as StaticToken from "../../src/providers/StaticToken.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const jwt = (claims: object) => `${btoa("{}")}.${btoa(JSON.stringify(claims))}.c2ln`.replaceAll("=", "")

describe("StaticToken", () => {
  contract<never>({
    name: "StaticToken",
    make: () => StaticToken.make({ token: "c4nary" }),
    failing: () => StaticToken.make({ token: "c4nary", expiresAt: DateTime.unsafeMake(0) }),
    secrets: ["c4nary"],
    provide: Effect.scoped
  })

  it.scoped("a JWT says when it expires, and then the error says so (S324)", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.make(StaticToken.make({ token: jwt({ exp: 60 }) }))
      assert.deepStrictEqual((yield* credentials.token).expiresAt, Option.some(DateTime.unsafeMake(60_000)))
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(credentials.token)
      assert.strictEqual(
        error.message,
        "StaticToken: the token expired 1970-01-01T00:01:00.000Z and nothing renews it: set a new one"
      )
    })
  )

  it.scoped("expiresAt wins over what a JWT says of itself", () =>
    Effect.gen(function* () {
      const expiresAt = DateTime.unsafeMake(1e12)
      const credentials = yield* Credentials.make(StaticToken.make({ token: jwt({ exp: 60 }), expiresAt }))
      assert.deepStrictEqual((yield* credentials.token).expiresAt, Option.some(expiresAt))
    })
  )

  it.scoped("a refused token is not replaced by itself", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.make(StaticToken.make({ token: "s3cret" }))
      const token = yield* credentials.token
      const error = yield* Effect.flip(credentials.renew(token))
      assert.strictEqual(error.reason._tag, "InvalidResponse")
      assert.strictEqual(show(yield* credentials.token), "s3cret")
    })
  )

  it.effect("a token that no header takes fails the layer (S101, S102)", () =>
    Effect.gen(function* () {
      for (const token of ["", " ", "a b", "a\r\nb", "a\0", "ä", "€", "x".repeat(65_537)]) {
        const error = yield* Effect.flip(Effect.scoped(Credentials.make(StaticToken.make({ token }))))
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", "token"])
      }
    })
  )
})
