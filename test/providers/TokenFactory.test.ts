import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/Credentials.ts"
import { RefreshError } from "../../src/CredentialsError.ts"
import * as TokenFactory from "../../src/providers/TokenFactory.ts"
import * as Token from "../../src/Token.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

class Vault extends Context.Tag("Vault")<Vault, { readonly read: Effect.Effect<string> }>() {}

describe("TokenFactory", () => {
  contract<never>({
    name: "TokenFactory",
    make: () => TokenFactory.make({ token: Effect.succeed("c4nary") }),
    failing: () => TokenFactory.make({ token: Effect.fail({ _tag: "VaultError", detail: "c4nary" }) }),
    secrets: ["c4nary"],
    provide: Effect.scoped
  })

  it.effect("takes an Effect, a function, a promise, a redacted string and a whole token", () =>
    Effect.gen(function* () {
      const whole = Token.make({ accessToken: Redacted.make("t"), issuedAt: DateTime.unsafeMake(0), scope: ["read"] })
      const sources: ReadonlyArray<TokenFactory.Options["token"]> = [
        Effect.succeed("t"),
        () => "t",
        async () => "t",
        () => Effect.succeed("t"),
        () => Redacted.make("t"),
        () => Promise.resolve(whole)
      ]
      for (const token of sources) {
        const made = yield* Effect.scoped(
          Effect.flatMap(Credentials.make(TokenFactory.make({ token })), (_) => _.token)
        )
        assert.strictEqual(show(made), "t")
      }
    })
  )

  it.scoped("needs what its Effect needs", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.make(
        TokenFactory.make({ token: Effect.flatMap(Vault, (vault) => vault.read) })
      )
      assert.strictEqual(show(yield* credentials.token), "from the vault".replaceAll(" ", "-"))
    }).pipe(Effect.provideService(Vault, { read: Effect.succeed("from-the-vault") }))
  )

  it.scoped("is asked once by everybody, and again when the token falls due", () =>
    Effect.gen(function* () {
      let calls = 0
      const credentials = yield* Credentials.make(
        TokenFactory.make({
          token: Effect.delay(
            Effect.sync(() => `t${++calls}`),
            "1 second"
          )
        }),
        { defaultLifetime: "5 minutes" }
      )
      const callers = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 50 }, () => credentials.token),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(new Set((yield* callers).map(show)).size, 1)
      yield* TestClock.adjust("5 minutes")
      const next = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* next), "t2")
    })
  )

  it.effect("tells the kind of a failure, and passes a RefreshError on", () =>
    Effect.gen(function* () {
      const denied = new RefreshError({ provider: "Mine", reason: { _tag: "Interaction", kind: "Denied" } })
      const cases: ReadonlyArray<readonly [TokenFactory.Options["token"], string]> = [
        [
          () => {
            throw new RangeError("c4nary")
          },
          "TokenFactory: the token factory failed (RangeError)"
        ],
        [() => Promise.reject("c4nary"), "TokenFactory: the token factory failed (string)"],
        [Effect.fail({ _tag: "VaultSealed" }), "TokenFactory: the token factory failed (VaultSealed)"],
        [Effect.fail(denied), denied.message]
      ]
      for (const [token, message] of cases) {
        const exit = yield* Effect.flip(
          Effect.scoped(Effect.flatMap(Credentials.make(TokenFactory.make({ token })), (_) => _.token))
        )
        assert.strictEqual(exit.message, message)
      }
    })
  )

  it.scoped("a token that no header takes is an error that does not quote it (S021, S101)", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.make(TokenFactory.make({ token: () => "c4nary\r\nx: y" }))
      const error = yield* Effect.flip(credentials.token)
      assert.strictEqual(error.reason._tag, "InvalidResponse")
      assert.notInclude(error.message, "c4nary")
      assert.isTrue(Option.isNone(yield* credentials.current))
    })
  )
})
