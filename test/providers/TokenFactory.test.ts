import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
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

  const start = 100_000
  const part = (json: object) => btoa(JSON.stringify(json)).replaceAll("=", "")
  /** A JWT that was made and expires so many seconds from the beginning of the test. */
  const jwt = (iat: number | undefined, exp: number) =>
    `${part({})}.${part({ iat: iat === undefined ? iat : start + iat, exp: start + exp })}.${part({})}`

  /** How often the factory is asked, and when, in seconds; what becomes of it. */
  const asked = (
    tokens: ReadonlyArray<TokenFactory.Made>,
    more?: Partial<TokenFactory.Options>,
    validFor = "0 seconds"
  ) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start * 1000)
      const times: Array<number> = []
      const provider = TokenFactory.make({
        token: Effect.map(DateTime.now, (now) => {
          times.push(DateTime.toEpochMillis(now) / 1000 - start)
          return tokens[Math.min(times.length, tokens.length) - 1]!
        }),
        ...more
      })
      const need = {
        previous: Option.none(),
        validFor: Duration.decode(validFor as "0 seconds"),
        interaction: "allowed"
      } as const
      const fiber = yield* Effect.fork(Effect.either(provider.acquire(need)))
      yield* TestClock.adjust("1 minute")
      return { times, result: yield* fiber }
    })

  it.effect("is asked again after 1 s and 2 s while what it returns has too little life left", () =>
    Effect.gen(function* () {
      const stale = jwt(-3_600, 30)
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<TokenFactory.Made>, ReadonlyArray<number>]> = [
        ["fresh at once", [jwt(-10, 4_000)], [0]],
        ["expiry unknown", ["opaque"], [0]],
        ["fresh the second time", [stale, jwt(1, 4_000)], [0, 1]],
        ["fresh the third time", [stale, stale, jwt(3, 4_000)], [0, 1, 3]],
        ["never fresh", [stale], [0, 1, 3]],
        ["short-lived, but new: not stale", [jwt(0, 30)], [0]],
        ["short-lived, age unknown: counts as new", [jwt(undefined, 30)], [0]],
        ["short-lived and old", [jwt(-20, 4)], [0, 1, 3]],
        [
          "a whole token that was issued long ago",
          [
            Token.make({
              accessToken: Redacted.make("t"),
              issuedAt: DateTime.unsafeMake(0),
              expiresAt: Option.some(DateTime.unsafeMake((start + 10) * 1000))
            })
          ],
          [0, 1, 3]
        ]
      ]
      for (const [title, tokens, times] of cases) {
        const seen = yield* asked(tokens)
        assert.deepStrictEqual(seen.times, times, title)
        assert.strictEqual(seen.result._tag, "Right", title)
      }
    })
  )

  it.effect("is asked again for a token that lasts less than the caller needs", () =>
    Effect.gen(function* () {
      const { result, times } = yield* asked([jwt(0, 1_000), jwt(1, 5_000)], {}, "30 minutes")
      assert.deepStrictEqual(times, [0, 1])
      assert.strictEqual(result._tag === "Right" && show(result.right), jwt(1, 5_000))
    })
  )

  it.effect("a token that has expired, three times, is an error; a stale one is used", () =>
    Effect.gen(function* () {
      const expired = yield* asked([jwt(-3_600, -10)])
      assert.deepStrictEqual(expired.times, [0, 1, 3])
      assert.include(
        expired.result._tag === "Left" && expired.result.left.message,
        "returned an expired token, three times"
      )
      const stale = yield* asked([jwt(-3_600, 30)])
      assert.strictEqual(stale.result._tag === "Right" && show(stale.result.right), jwt(-3_600, 30))
    })
  )

  it.effect("takes whatever comes where it is told to, and a failure ends the asking", () =>
    Effect.gen(function* () {
      const whatever = yield* asked([jwt(-3_600, -10)], { retryWhileStale: false })
      assert.deepStrictEqual([whatever.times, whatever.result._tag], [[0], "Right"])
      let n = 0
      const failing = yield* asked([], {
        token: () => {
          if (++n === 2) throw new TypeError("c4nary")
          return jwt(-3_600, 30)
        }
      })
      assert.strictEqual(
        failing.result._tag === "Left" && failing.result.left.message,
        "TokenFactory: the token factory failed (TypeError)"
      )
      assert.strictEqual(n, 2)
    })
  )

  it.effect.each([[42], [undefined], [null], [{ accessToken: "c4nary" }]])(
    "%j is no token, and is not quoted",
    ([made]) =>
      Effect.gen(function* () {
        const { result } = yield* asked([], { token: () => made as any })
        assert.include(result._tag === "Left" && result.left.message, "returned no token")
        assert.notInclude(result._tag === "Left" && result.left.message, "c4nary")
      })
  )
})
