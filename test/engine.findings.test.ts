/** The smallest cases of what the seeded scheduler and the model found in the engine, under Effect's own scheduler. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../src/Credentials.ts"
import { RevocationError } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { counting, show } from "./support/engine.ts"

describe("Credentials", () => {
  it.live("closing the layer in the moment in which a flight is launched leaves nobody waiting", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const counted = counting()
      const credentials = yield* Scope.extend(Credentials.make(counted.provider), scope)
      const caller = yield* Effect.fork(Effect.exit(credentials.token))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Effect.timeoutOption(Fiber.join(caller), "2 seconds")
      assert.isTrue(Option.isSome(exit), "the caller still waits")
    })
  )

  it.scoped("who asks while a stored token is being revoked does not get it (S307)", () =>
    Effect.gen(function* () {
      const told = yield* Deferred.make<void>()
      const counted = counting({ lifetime: 3600, rest: { revoke: () => Deferred.await(told) } })
      const credentials = yield* Credentials.make(Provider.persisted(counted.provider, "me"))
      assert.strictEqual(show(yield* credentials.token), "t1")
      const revoking = yield* Effect.fork(credentials.revoke)
      yield* Effect.yieldNow()
      const caller = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(told, undefined)
      yield* Fiber.join(revoking)
      assert.strictEqual(show(yield* Fiber.join(caller)), "t2")
      assert.strictEqual(show(yield* credentials.token), "t2")
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a flight that lands after forget does not come back through the store (S307)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 3600, takes: "3 seconds" })
      const credentials = yield* Credentials.make(Provider.persisted(counted.provider, "me"))
      yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      const forgetting = yield* Effect.fork(credentials.forget)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(forgetting)
      assert.isTrue(Option.isNone(yield* credentials.current))
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("a token that is issued expired is asked for once in ten seconds, whoever asks for it (S122, S127)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 0 })
      const credentials = yield* Credentials.make(counted.provider)
      for (let n = 0; n < 10; n++) yield* credentials.tokenValidFor(0)
      assert.strictEqual(counted.needs.length, 1)
    })
  )

  it.scoped("a stored token that soon expires does not speak for what the server issues", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const issuedAt = yield* DateTime.now
      yield* store.transaction("me", () =>
        Effect.succeedSome(
          Token.make({
            accessToken: Redacted.make("stored"),
            issuedAt,
            expiresAt: Option.some(DateTime.add(issuedAt, { minutes: 3 }))
          })
        )
      )
      const credentials = yield* Credentials.make(Provider.persisted(counting({ lifetime: 3600 }).provider, "me"))
      assert.strictEqual(show(yield* credentials.token), "stored")
      assert.strictEqual(show(yield* credentials.tokenValidFor("5 minutes")), "t1")
    }).pipe(Effect.provide(TokenStore.layerMemory()))
  )

  it.scoped("tokenValidFor does not give a shorter token because of a forget in between", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 60, takes: "1 second" })
      const credentials = yield* Credentials.make(counted.provider)
      const caller = yield* Effect.fork(Effect.exit(credentials.tokenValidFor("1 hour")))
      yield* Effect.yieldNow()
      yield* credentials.forget
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(caller)))
    })
  )

  it.scoped("an acquisition ends at the time limit wherever the credentials were made (S121)", () =>
    Effect.gen(function* () {
      const counted = counting()
      counted.script.push("never")
      const credentials = yield* Effect.uninterruptible(Credentials.make(counted.provider))
      const caller = yield* Effect.fork(Effect.exit(credentials.token))
      yield* TestClock.adjust("31 seconds")
      assert.isNotNull(caller.unsafePoll(), "the caller still waits")
    })
  )

  it.scoped("the token held and the one in the air are revoked together (S307)", () =>
    Effect.gen(function* () {
      const revoked: Array<string> = []
      const counted = counting({
        lifetime: 3600,
        takes: "1 second",
        rest: {
          revoke: (held) =>
            Effect.suspend(() => {
              revoked.push(...held.map(show))
              return new RevocationError({ provider: "Counting", reason: { _tag: "Unavailable", status: 503 } })
            })
        }
      })
      const credentials = yield* Credentials.make(counted.provider)
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      const seen = yield* Fiber.join(first)
      yield* Effect.fork(credentials.renew(seen))
      yield* Effect.yieldNow()
      const revoking = yield* Effect.fork(Effect.exit(credentials.revoke))
      yield* TestClock.adjust(Duration.seconds(2))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(revoking)))
      assert.deepStrictEqual(revoked.sort(), ["t1", "t2"])
    })
  )

  it.scoped("a flight that waits for the end of a pause spends nothing that was forgotten meanwhile (S307)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600, rotates: true })
      const credentials = yield* Credentials.make(counted.provider)
      yield* credentials.token
      yield* TestClock.adjust("600 seconds")
      counted.script.push({ _tag: "Unavailable", status: 503 })
      yield* Effect.exit(credentials.token)
      const caller = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("100 millis")
      yield* credentials.forget
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* Fiber.join(caller)), "t3")
      assert.isTrue(Option.isNone(counted.needs[2]!.previous))
      assert.strictEqual(show(yield* credentials.token), "t3")
    })
  )

  it.scoped("a revocation does not wait for a flight that waits for it", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600 })
      const credentials = yield* Credentials.make(counted.provider)
      counted.script.push({ _tag: "Unavailable", status: 503 })
      yield* Effect.exit(credentials.token)
      const caller = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("100 millis")
      const revoking = yield* Effect.fork(credentials.revoke)
      yield* TestClock.adjust("5 seconds")
      assert.isNotNull(revoking.unsafePoll(), "the revocation waits")
      assert.strictEqual(show(yield* Fiber.join(caller)), "t2")
    })
  )

  it.scoped("a provider that always dies is asked after growing pauses, and whoever asks in between hears why", () =>
    Effect.gen(function* () {
      const counted = counting()
      counted.script.push(...Array.from({ length: 100 }, () => "die" as const))
      const credentials = yield* Credentials.make(counted.provider)
      for (let n = 0; n < 60; n++) {
        yield* Effect.forkScoped(Effect.exit(credentials.token))
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(counted.needs.length, 8)
      assert.isAtLeast(counted.needs.length, 4)
    })
  )

  it.scoped("after a denied login it is asked again, but not at once: two seconds later", () =>
    Effect.gen(function* () {
      for (const kind of ["Denied", "Cancelled"] as const) {
        const counted = counting({ lifetime: 600 })
        counted.script.push({ _tag: "Interaction", kind })
        const credentials = yield* Credentials.make(counted.provider)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(credentials.token)))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(credentials.token)))
        assert.strictEqual(counted.needs.length, 1)
        yield* TestClock.adjust("1500 millis")
        assert.strictEqual(show(yield* credentials.token), "t2")
      }
    })
  )
})
