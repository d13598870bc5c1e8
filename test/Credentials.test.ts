import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Authorization from "../src/Authorization.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError, RefreshErrorReason } from "../src/CredentialsError.ts"
import * as TokenFactory from "../src/providers/TokenFactory.ts"
import * as Token from "../src/Token.ts"
import { canary } from "./support/LeakScanner.ts"
import { counting, type CountingOptions, show, withoutJitter } from "./support/engine.ts"

const down: RefreshErrorReason = { _tag: "Unavailable", status: 503 }
const refused: RefreshErrorReason = { _tag: "Rejected", code: "invalid_client", status: 401 }

const start = (options?: CountingOptions, settings?: Credentials.Options) =>
  Effect.gen(function* () {
    const counted = counting(options)
    return { counted, credentials: yield* Credentials.make(counted.provider, settings) }
  })

const many = <A, E>(n: number, effect: Effect.Effect<A, E>) =>
  Effect.all(
    Array.from({ length: n }, () => effect),
    { concurrency: "unbounded" }
  )

const reasonOf = (exit: Exit.Exit<unknown, RefreshError>): string | null =>
  Exit.isFailure(exit)
    ? Option.map(Cause.failureOption(exit.cause), (error) => error.reason._tag).pipe(Option.getOrNull)
    : null

describe("Credentials", () => {
  it.scoped("ten thousand callers share one acquisition (S105)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const callers = yield* Effect.fork(many(10_000, credentials.token))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set((yield* Fiber.join(callers)).map(show)), new Set(["t1"]))
      assert.strictEqual(counted.needs.length, 1)
    })
  )

  it.scoped("nothing is obtained before somebody asks", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Option.isNone(yield* credentials.current))
      assert.strictEqual(counted.needs.length, 0)
    })
  )

  it.scoped("interrupting the first caller neither loses the token nor fails the others (S081, S104)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* Fiber.join(second)), "t1")
      assert.strictEqual(show(yield* credentials.token), "t1")
      assert.deepStrictEqual([counted.needs.length, counted.aborted()], [1, 0])
    })
  )

  it.scoped("a caller's own time limit fails that caller alone (S108)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const hasty = yield* Effect.fork(Effect.timeoutOption(credentials.token, "50 millis"))
      yield* TestClock.adjust("50 millis")
      assert.isTrue(Option.isNone(yield* Fiber.join(hasty)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* credentials.token), "t1")
      assert.strictEqual(counted.aborted(), 0)
    })
  )

  it.scoped("a failure is shared by those who waited, then forgotten (S106)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      counted.script.push(down)
      const callers = yield* Effect.fork(many(10, Effect.exit(credentials.token)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set((yield* Fiber.join(callers)).map(reasonOf)), new Set(["Unavailable"]))
      assert.strictEqual(counted.needs.length, 1)
      const next = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* Fiber.join(next)), "t2")
    })
  )

  it.scoped.each([
    ["an outage", down, "2 seconds"],
    ["a refusal", refused, "40 seconds"]
  ] as const)(
    "after %s has had its pause the next call asks again, and its token is kept (S106)",
    ([, reason, pause]) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 600 })
        counted.script.push(reason)
        assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), reason._tag)
        assert.strictEqual(counted.needs.length, 1)
        yield* TestClock.adjust(pause)
        assert.strictEqual(show(yield* credentials.token), "t2")
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(show(yield* credentials.token), "t2")
        assert.strictEqual(counted.needs.length, 2)
      })
  )

  it.scoped("a defect reaches the waiting callers once and leaves nothing behind (S107)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      counted.script.push("die")
      const exit = yield* Effect.exit(credentials.token)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      const next = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* Fiber.join(next)), "t2")
    })
  )

  it.scoped("an acquisition that never ends is cut off at the provider's time limit (S121)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, rest: { timeLimit: Duration.seconds(7) } })
      counted.script.push("never")
      const caller = yield* Effect.fork(Effect.exit(credentials.token))
      yield* TestClock.adjust("6 seconds")
      assert.isNull(caller.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(reasonOf(yield* Fiber.join(caller)), "Timeout")
      const next = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* Fiber.join(next)), "t2")
    })
  )

  it.scoped(
    "the window opens a minute before the expiry, to the millisecond, and a stale token is served at once (S129, S123)",
    () =>
      withoutJitter(
        Effect.gen(function* () {
          const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
          const first = yield* Effect.fork(credentials.token)
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(first)
          yield* TestClock.setTime(539_999)
          yield* credentials.token
          yield* TestClock.adjust(0)
          assert.strictEqual(counted.needs.length, 1)
          yield* TestClock.setTime(540_000)
          assert.deepStrictEqual(
            (yield* many(100, credentials.token)).map(show),
            Array.from({ length: 100 }, () => "t1")
          )
          yield* TestClock.adjust("1 second")
          assert.strictEqual(show(yield* credentials.token), "t2")
          assert.strictEqual(counted.needs.length, 2)
          assert.strictEqual(counted.needs[1]!.interaction, "forbidden")
          assert.strictEqual(Option.map(counted.needs[1]!.previous, show).pipe(Option.getOrNull), "t1")
        })
      )
  )

  it.scoped("the window of a short-lived token is a fifth of its life", () =>
    withoutJitter(
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 10 })
        yield* credentials.token
        yield* TestClock.setTime(7_999)
        yield* credentials.token
        yield* TestClock.adjust(0)
        assert.strictEqual(counted.needs.length, 1)
        yield* TestClock.setTime(8_000)
        yield* credentials.token
        yield* TestClock.adjust(0)
        assert.strictEqual(counted.needs.length, 2)
      })
    )
  )

  it.scoped("an expired token is never handed out: callers wait for the next one", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* TestClock.adjust("600 seconds")
      const second = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("900 millis")
      assert.isNull(second.unsafePoll())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(show(yield* Fiber.join(second)), "t2")
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.scoped("a token without an expiry is used until it is renewed by hand", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start()
      const token = yield* credentials.token
      yield* TestClock.adjust("400 days")
      assert.strictEqual(show(yield* credentials.token), "t1")
      assert.strictEqual(show(yield* credentials.renew(token)), "t2")
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.scoped("defaultLifetime stands in for an expiry that is unknown", () =>
    withoutJitter(
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({}, { defaultLifetime: "10 minutes" })
        yield* credentials.token
        yield* TestClock.adjust("9 minutes")
        assert.strictEqual(show(yield* credentials.token), "t1")
        yield* TestClock.adjust(0)
        assert.strictEqual(show(yield* credentials.token), "t2")
        assert.strictEqual(counted.needs.length, 2)
      })
    )
  )

  it.scoped(
    "a failing early renewal harms nobody: pauses grow from 30 seconds, callers keep the old token (S074)",
    () =>
      withoutJitter(
        Effect.gen(function* () {
          const { counted, credentials } = yield* start({ lifetime: 3600 }, { renewAhead: "12 minutes" })
          yield* credentials.token
          counted.always = down
          yield* TestClock.setTime(2_880_000)
          let failures = 0
          for (let second = 0; second < 600; second++) {
            if (Exit.isFailure(yield* Effect.exit(credentials.token))) failures++
            yield* TestClock.adjust("1 second")
          }
          assert.strictEqual(failures, 0)
          const gaps = counted.startedAt.slice(2).map((at, i) => (at - counted.startedAt[i + 1]!) / 1000)
          assert.deepStrictEqual(gaps, [30, 60, 120, 240])
          counted.always = undefined
          yield* TestClock.adjust("5 minutes")
          yield* credentials.token
          yield* TestClock.adjust(0)
          assert.strictEqual(show(yield* credentials.token), "t7")
        })
      )
  )

  it.scoped("Retry-After of a failed early renewal wins, up to an hour (S069)", () =>
    withoutJitter(
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 86_400 }, { renewAhead: "4 hours" })
        yield* credentials.token
        counted.script.push(
          { _tag: "Unavailable", status: 429, retryAfter: Duration.minutes(10) },
          { _tag: "Unavailable", status: 429, retryAfter: Duration.days(7) }
        )
        yield* TestClock.setTime(86_400_000 - 4 * 3_600_000)
        for (let minute = 0; minute < 90; minute++) {
          yield* credentials.token
          yield* TestClock.adjust("1 minute")
        }
        assert.deepStrictEqual(
          counted.startedAt.slice(2).map((at, i) => (at - counted.startedAt[i + 1]!) / 60_000),
          [10, 60]
        )
      })
    )
  )

  it.scoped(
    "after a refusal callers fail at once with it, and the server is asked again half a minute later (S072)",
    () =>
      withoutJitter(
        Effect.gen(function* () {
          const { counted, credentials } = yield* start({ lifetime: 600 })
          counted.script.push(refused)
          assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "Rejected")
          yield* TestClock.adjust("29 seconds")
          assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "Rejected")
          assert.strictEqual(counted.needs.length, 1)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(show(yield* credentials.token), "t2")
        })
      )
  )

  it.scoped("a server that asks for more patience than callers have fails them at once", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      counted.script.push({ _tag: "Unavailable", status: 503, retryAfter: Duration.minutes(10) })
      yield* Effect.exit(credentials.token)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "Unavailable")
      assert.strictEqual(counted.needs.length, 1)
    })
  )

  it.scoped(
    "a token that the server issues already expired is used, but not asked for again within ten seconds (S122)",
    () =>
      Effect.gen(function* () {
        for (const lifetime of [0, -3600]) {
          const { counted, credentials } = yield* start({ lifetime })
          for (let i = 0; i < 95; i++) {
            assert.match(show(yield* credentials.token), /^t\d+$/)
            yield* TestClock.adjust("100 millis")
          }
          assert.strictEqual(counted.needs.length, 1)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(show(yield* credentials.token), "t2")
        }
      })
  )

  it.scoped("the same expired token issued again is an error, not a loop (S062)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 60 })
      yield* credentials.token
      yield* TestClock.adjust("1 minute")
      counted.script.push("same")
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "InvalidResponse")
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "InvalidResponse")
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.scoped("tokenValidFor returns what is held while it lasts, then one that lasts", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      yield* credentials.token
      assert.strictEqual(show(yield* credentials.tokenValidFor("10 minutes")), "t1")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(show(yield* credentials.tokenValidFor("9 minutes")), "t1")
      assert.strictEqual(show(yield* credentials.tokenValidFor("9.5 minutes")), "t2")
      assert.strictEqual(Duration.toMinutes(counted.needs[1]!.validFor), 9.5)
    })
  )

  it.scoped("tokenValidFor of more than the server gives is a typed error, and no loop", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      const exits = yield* many(50, Effect.exit(credentials.tokenValidFor("1 hour")))
      assert.deepStrictEqual(new Set(exits.map(reasonOf)), new Set(["InvalidResponse"]))
      assert.isAtMost(counted.needs.length, 2)
      assert.strictEqual(show(yield* credentials.token), `t${counted.needs.length}`)
    })
  )

  it.scoped("a hundred callers whose token was refused share one renewal (S112, S113)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      const seen = yield* Fiber.join(first)
      const callers = yield* Effect.fork(many(100, credentials.renew(seen)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set((yield* Fiber.join(callers)).map(show)), new Set(["t2"]))
      assert.strictEqual(show(yield* credentials.renew(seen)), "t2")
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.scoped("refusing one token after the other does not become a token request each", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 3600 })
      for (let i = 0; i < 600; i++) {
        const token = yield* credentials.token
        yield* Effect.exit(credentials.renew(token))
        yield* TestClock.adjust("100 millis")
      }
      assert.strictEqual(counted.needs.length, 1 + 6)
      assert.strictEqual(
        reasonOf(
          yield* Effect.exit(
            Effect.flatMap(credentials.token, (token) =>
              Effect.zipRight(
                Effect.exit(credentials.renew(token)),
                Effect.flatMap(credentials.token, credentials.renew)
              )
            )
          )
        ),
        "TooSoon"
      )
    })
  )

  it.scoped("the same token issued again after it was refused is an error", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 3600 })
      const token = yield* credentials.token
      counted.script.push("same")
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.renew(token))), "InvalidResponse")
      assert.strictEqual(show(yield* credentials.token), "t1")
    })
  )

  it.scoped("a login that nobody may be asked for in the background is left to the first caller", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600 })
      counted.script.push({ _tag: "Interaction", kind: "Forbidden" })
      yield* credentials.maintain
      assert.strictEqual(counted.needs[0]!.interaction, "forbidden")
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.strictEqual(counted.needs[1]!.interaction, "allowed")
    })
  )

  it.scoped("a caller who joined a background flight that needed a person gets a flight of his own", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      counted.script.push({ _tag: "Interaction", kind: "Forbidden" })
      yield* Effect.fork(credentials.maintain)
      yield* TestClock.adjust("100 millis")
      const caller = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(show(yield* Fiber.join(caller)), "t2")
    })
  )

  it.scoped("changes begins with the token held, exactly once, and goes on with its successors (S144)", () =>
    Effect.gen(function* () {
      const { credentials } = yield* start({ lifetime: 600 })
      const seen = yield* credentials.token
      const watcher = yield* Effect.fork(Stream.runCollect(Stream.take(credentials.changes, 2)))
      yield* TestClock.adjust(0)
      yield* credentials.renew(seen)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(watcher)).map(show), ["t1", "t2"])
    })
  )

  it.scoped("a watcher who does not read holds up nobody (S143)", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 1 })
      yield* Effect.fork(Stream.runForEach(credentials.changes, () => Effect.never))
      yield* Effect.fork(Stream.runForEach(credentials.events, () => Effect.never))
      for (let i = 0; i < 300; i++) {
        yield* credentials.token
        yield* TestClock.adjust("1 second")
      }
      assert.isAtLeast(counted.needs.length, 300)
    })
  )

  it.scoped("events tell what happened, in order, an expiry once", () =>
    withoutJitter(
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 600 })
        const watcher = yield* Effect.fork(Stream.runCollect(Stream.take(credentials.events, 7)))
        yield* TestClock.adjust(0)
        counted.script.push(down)
        yield* Effect.exit(credentials.token)
        yield* TestClock.adjust("10 seconds")
        yield* credentials.token
        counted.script.push(down)
        yield* TestClock.adjust("545 seconds")
        yield* credentials.token
        yield* TestClock.adjust(0)
        counted.script.push(down)
        yield* TestClock.adjust("1 hour")
        yield* Effect.exit(credentials.token)
        yield* TestClock.adjust("1 minute")
        yield* credentials.token
        yield* credentials.revoke
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(yield* Fiber.join(watcher)).map(({ _tag }) => _tag),
          ["AcquisitionFailed", "Acquired", "RenewalFailed", "Expired", "RenewalFailed", "Renewed", "Revoked"]
        )
      })
    )
  )

  it.scoped("revoke tells the server about the token held and forgets it, even if telling fails", () =>
    Effect.gen(function* () {
      const revoked: Array<string> = []
      const { counted, credentials } = yield* start({
        lifetime: 600,
        rest: {
          revoke: (held) => Effect.sync(() => void revoked.push(...held.map(show)))
        }
      })
      yield* credentials.token
      yield* credentials.revoke
      assert.deepStrictEqual(revoked, ["t1"])
      assert.isTrue(Option.isNone(yield* credentials.current))
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.isTrue(Option.isNone(counted.needs[1]!.previous))
    })
  )

  it.scoped("a flight that lands after a revocation is revoked too and resurrects nothing (S307)", () =>
    Effect.gen(function* () {
      const revoked: Array<string> = []
      const { credentials } = yield* start({
        lifetime: 600,
        takes: "1 second",
        rest: { revoke: (held) => Effect.sync(() => void revoked.push(...held.map(show))) }
      })
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      const seen = yield* Fiber.join(first)
      yield* Effect.fork(credentials.renew(seen))
      yield* TestClock.adjust("500 millis")
      const revocation = yield* Effect.fork(credentials.revoke)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(revocation)
      assert.deepStrictEqual(revoked, ["t2", "t1"])
      assert.isTrue(Option.isNone(yield* credentials.current))
    })
  )

  it.scoped("who asks after forget gets a token obtained after it", () =>
    Effect.gen(function* () {
      const { counted, credentials } = yield* start({ lifetime: 600, takes: "1 second" })
      const before = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("500 millis")
      yield* credentials.forget
      const after = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(show(yield* Fiber.join(before)), "t1")
      assert.strictEqual(show(yield* Fiber.join(after)), "t2")
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.effect("closing the layer waits for a refresh token that is being rotated (S109)", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const counted = counting({ lifetime: 600, takes: "1 second", rotates: true })
      const credentials = yield* Scope.extend(Credentials.make(counted.provider), scope)
      const first = yield* Effect.fork(credentials.token)
      yield* TestClock.adjust("1 second")
      const waiting = yield* Effect.fork(credentials.renew(yield* Fiber.join(first)))
      yield* TestClock.adjust("100 millis")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(show(yield* Fiber.join(waiting)), "t2")
      assert.strictEqual(counted.aborted(), 0)
    })
  )

  it.effect("closing the layer ends a flight that has nothing to lose, and leaves nobody waiting", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const counted = counting({ lifetime: 600, takes: "1 second" })
      const credentials = yield* Scope.extend(Credentials.make(counted.provider), scope)
      const waiting = yield* Effect.fork(Effect.exit(credentials.token))
      yield* TestClock.adjust("100 millis")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(reasonOf(yield* Fiber.join(waiting)), "Source")
      assert.strictEqual(reasonOf(yield* Effect.exit(credentials.token)), "Source")
      assert.strictEqual(counted.aborted(), 1)
    })
  )

  it.effect("a defect in the background tells its kind, and nothing of what it says (S031)", () =>
    Effect.gen(function* () {
      const counted = counting({ lifetime: 600 })
      const credentials = yield* Credentials.make({
        ...counted.provider,
        acquire: (need) =>
          Option.isSome(need.previous)
            ? Effect.die(new RangeError(canary("in a defect")))
            : counted.provider.acquire(need)
      })
      yield* credentials.token
      const failures = yield* Effect.fork(
        Stream.runHead(Stream.filter(credentials.events, ({ _tag }) => _tag === "RenewalFailed"))
      )
      yield* TestClock.adjust("595 seconds")
      yield* credentials.token
      const event = Option.getOrThrow(yield* Fiber.join(failures))
      assert.include(JSON.stringify(event), "the provider failed unexpectedly (RangeError)")
    }).pipe(Effect.scoped)
  )

  it.effect("a layer of any provider is on schedule if it is told to be, and on demand if not", () =>
    Effect.gen(function* () {
      const obtained = (engine?: Credentials.LayerOptions) =>
        Effect.gen(function* () {
          let times = 0
          const token = Effect.map(DateTime.now, (issuedAt) =>
            Token.make({
              accessToken: Redacted.make(`t${++times}`),
              issuedAt,
              expiresAt: Option.some(DateTime.add(issuedAt, { minutes: 10 }))
            })
          )
          yield* Layer.build(TokenFactory.layer({ token }, engine))
          yield* TestClock.adjust("1 hour")
          return times
        }).pipe(Effect.scoped)
      assert.strictEqual(yield* obtained(), 0)
      assert.isAtLeast(yield* obtained({ scheduled: true }), 6)
    })
  )

  it.effect("changes and events end with the layer", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const credentials = yield* Scope.extend(Credentials.make(counting().provider), scope)
      const watchers = yield* Effect.fork(
        Effect.all([Stream.runCount(credentials.changes), Stream.runCount(credentials.events)], {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust(0)
      yield* credentials.token
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(watchers), [1, 1])
    })
  )

  it.effect("options that cannot work fail the layer, by name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(Credentials.make(counting().provider, { renewAhead: "soon" as Duration.DurationInput }))
      )
      assert.strictEqual(error.option, "renewAhead")
      const unsendable = counting({ rest: { authorization: Authorization.header("x key") } }).provider
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Credentials.make(unsendable)))).option, "authorization")
    })
  )
})
