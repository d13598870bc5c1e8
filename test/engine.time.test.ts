import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type * as Tracer from "effect/Tracer"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshErrorReason } from "../src/CredentialsError.ts"
import * as Timing from "../src/internal/timing.ts"
import * as Provider from "../src/Provider.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { counting, type Counting, type CountingOptions, show, withoutJitter } from "./support/engine.ts"
import * as FakeServer from "./support/FakeServer.ts"
import * as HybridClock from "./support/HybridClock.ts"

const down: RefreshErrorReason = { _tag: "Unavailable", status: 503 }

/** Runs under a clock whose wall and monotonic time can come apart. */
const onClock = <A, E>(
  body: (clock: HybridClock.HybridClock) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.suspend(() => {
    const clock = HybridClock.make()
    return Effect.withClock(body(clock), clock)
  })

const start = (options: CountingOptions, settings?: Credentials.Options) => {
  const counted = counting(options)
  return Effect.map(Credentials.make(counted.provider, settings), (credentials) => ({ counted, credentials }))
}

const scheduled = (counted: Counting, settings?: Credentials.Options) =>
  Effect.map(Layer.build(Credentials.layerScheduled(counted.provider, settings)), Context.get(Credentials.Credentials))

describe("Credentials and the clocks", () => {
  it.scoped("an expired token is not handed out after the laptop slept (S125)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { credentials } = yield* start({ lifetime: 3600 })
        yield* credentials.token
        yield* clock.advance("1 minute")
        yield* clock.suspend("10 hours")
        assert.strictEqual(show(yield* credentials.token), "t2")
      })
    )
  )

  it.scoped("a token that expired on its way, because the laptop slept, is given to nobody (S063, S125)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 3600, takes: "5 seconds" })
        const first = yield* Effect.fork(credentials.token)
        yield* clock.advance("1 second")
        yield* clock.suspend("2 hours")
        const second = yield* Effect.fork(credentials.token)
        yield* clock.advance("5 seconds")
        assert.strictEqual(counted.needs.length, 2)
        // And once more, on the way to what takes its place.
        yield* clock.suspend("2 hours")
        yield* clock.advance("4 seconds")
        assert.strictEqual(counted.needs.length, 3)
        assert.isTrue(Option.isNone(yield* Fiber.poll(first)))
        assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
        yield* clock.advance("5 seconds")
        assert.strictEqual(show(yield* Fiber.join(first)), "t3")
        assert.strictEqual(show(yield* Fiber.join(second)), "t3")
        assert.strictEqual(counted.needs.length, 3)
      })
    )
  )

  it.scoped("what comes with a token that expired on its way is not lost when the next attempt fails (S063)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 3600, takes: "5 seconds", rotates: true })
        counted.script.push(undefined, down)
        const first = yield* Effect.fork(Effect.flip(credentials.token))
        yield* clock.advance("1 second")
        yield* clock.suspend("2 hours")
        yield* clock.advance("9 seconds")
        assert.strictEqual((yield* Fiber.join(first)).reason._tag, "Unavailable")
        const next = yield* Effect.fork(credentials.token)
        yield* clock.advance("1 minute")
        assert.strictEqual(show(yield* Fiber.join(next)), "t3")
        const offered = counted.needs.map(({ previous }) =>
          Option.flatMap(previous, ({ refreshToken }) => refreshToken)
        )
        assert.deepStrictEqual(offered.map(Option.map(Redacted.value)).map(Option.getOrUndefined), [
          undefined,
          "r1",
          "r1"
        ])
      })
    )
  )

  it.scoped("a wall clock set back does not make a token live longer (S126)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        for (const back of [40 * 60_000, 3_600_000, 7_200_000, 86_400_000]) {
          const { credentials } = yield* start({ lifetime: 3600 })
          yield* credentials.token
          yield* clock.advance("50 minutes")
          yield* clock.jump(-back)
          assert.strictEqual(show(yield* credentials.token), "t1")
          yield* clock.advance("11 minutes")
          assert.strictEqual(show(yield* credentials.token), "t2")
        }
      })
    )
  )

  it.scoped("a wall clock set forward by an hour and back again costs one renewal at most", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 3600 })
        yield* credentials.token
        yield* clock.jump(3_600_000)
        yield* credentials.token
        yield* clock.jump(-3_600_000)
        yield* credentials.token
        yield* clock.advance("10 minutes")
        yield* credentials.token
        assert.isAtMost(counted.needs.length, 2)
      })
    )
  )

  it.scoped("a pause after a failure ends in time although the wall clock was set back (S126)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 3600 })
        counted.script.push({ _tag: "Rejected", code: "invalid_client", status: 401 })
        yield* Effect.exit(credentials.token)
        yield* clock.jump(-86_400_000)
        yield* clock.advance("40 seconds")
        assert.strictEqual(show(yield* credentials.token), "t2")
      })
    )
  )

  it.scoped("the schedule renews within a minute after the laptop wakes up (S125)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const counted = counting({ lifetime: 3600 })
        const credentials = yield* scheduled(counted)
        yield* clock.advance("1 minute")
        yield* clock.suspend("10 hours")
        yield* clock.advance("1 minute")
        assert.strictEqual(Option.map(yield* credentials.current, show).pipe(Option.getOrNull), "t2")
      })
    )
  )

  it.scoped(
    "a week of five-minute tokens takes one renewal per four minutes, without drift",
    () =>
      onClock((clock) =>
        withoutJitter(
          Effect.gen(function* () {
            const counted = counting({ lifetime: 300 })
            yield* scheduled(counted)
            const begin = yield* DateTime.now
            yield* clock.advance("7 days")
            assert.strictEqual(counted.needs.length, 1 + 7 * 24 * 15)
            const offsets = counted.startedAt.map((at, n) => at - DateTime.toEpochMillis(begin) - n * 240_000)
            assert.isAtMost(Math.max(...offsets), 0)
            assert.isAtMost(Math.max(...clock.slept), 60_000)
          })
        )
      ),
    60_000
  )

  it.scoped("credentials nobody uses renew nothing by themselves (S138)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 300 })
        yield* credentials.token
        yield* clock.advance("7 days")
        assert.strictEqual(counted.needs.length, 1)
        assert.deepStrictEqual(
          clock.slept.filter((millis) => millis > 30_000),
          []
        )
      })
    )
  )

  it.scoped(
    "the schedule goes on through a month of failures and tells of each (S128)",
    () =>
      onClock((clock) =>
        Effect.gen(function* () {
          const counted = counting({ lifetime: 3600 })
          counted.script.push(
            down,
            undefined,
            down,
            down,
            down,
            down,
            down,
            undefined,
            { _tag: "Timeout", after: Duration.seconds(10) },
            "die",
            undefined,
            { _tag: "Rejected", code: "invalid_grant", status: 400 },
            undefined
          )
          const credentials = yield* scheduled(counted)
          const told: Array<string> = []
          yield* Effect.fork(Stream.runForEach(credentials.events, ({ _tag }) => Effect.sync(() => told.push(_tag))))
          yield* HybridClock.settle
          yield* clock.advance("30 days")
          assert.deepStrictEqual(told.slice(0, 13), [
            "AcquisitionFailed",
            "Acquired",
            ...Array.from({ length: 5 }, () => "RenewalFailed"),
            "Renewed",
            "RenewalFailed",
            "RenewalFailed",
            "Renewed",
            "RenewalFailed",
            "Renewed"
          ])
          assert.isAtLeast(counted.needs.length, 700)
          assert.isTrue(Option.isSome(yield* credentials.current))
        })
      ),
    60_000
  )

  it.scoped("sixty failures in a row: pauses grow to five minutes, jitter included, and never stop (S136)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const counted = counting({ lifetime: 3600 })
        const credentials = yield* scheduled(counted)
        yield* credentials.token
        yield* clock.advance("1 hour")
        const renewals = counted.startedAt.length
        counted.always = down
        const caller = Effect.forever(Effect.zipRight(Effect.exit(credentials.token), Effect.sleep("10 seconds")))
        yield* clock.advance("58 minutes")
        const asking = yield* Effect.fork(caller)
        yield* clock.advance("1 hour")
        // Refused for good: no caller makes it any faster.
        counted.always = { _tag: "Rejected", code: "invalid_grant", status: 400 }
        yield* clock.advance("5 hours")
        yield* Fiber.interrupt(asking)
        const failed = counted.startedAt.slice(renewals)
        const gaps = failed.slice(1).map((at, n) => at - failed[n]!)
        assert.isAtLeast(gaps.length, 60)
        assert.isAtMost(Math.max(...gaps), 300_000 + 10_000)
        assert.isAtLeast(Math.min(...gaps.slice(-40)), 250_000)
        assert.isAbove(new Set(gaps.slice(-40)).size, 5)
      })
    )
  )

  it.scoped("a clock that is five minutes off, either way, renews in time all the same (S130)", () =>
    Effect.gen(function* () {
      for (const skew of [-300_000, 300_000, 0]) {
        const clock = HybridClock.make(1_700_000_000_000 + skew)
        /** The server's own time. */
        const serversNow = () => Number(clock.unsafeCurrentTimeNanos()) / 1_000_000
        const issuedAt: Array<number> = []
        const server = FakeServer.make((_, nth) => {
          issuedAt[nth] = serversNow()
          return {
            json: { access_token: `t${nth}`, token_type: "bearer", expires_in: 600 },
            headers: { date: new Date(1_700_000_000_000 + serversNow()).toUTCString() }
          }
        })
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.make(
            ClientCredentials.make({ tokenEndpoint: "https://id.test/token", clientId: "me", clientSecret: "s3cret" })
          )
          for (let n = 0; n < 120; n++) {
            // Somebody sets it right, and wrong again.
            if (n === 50) yield* clock.jump(-skew)
            if (n === 80) yield* clock.jump(skew)
            const at = issuedAt[Number(show(yield* credentials.token).slice(1))]!
            assert.isBelow(serversNow() - at, 600_000, `skew ${skew}, look ${n}`)
            yield* clock.advance("30 seconds")
          }
          // An hour of tokens for ten minutes, and one more for each time the clock was set.
          assert.isAtMost(server.seen.length, 10)
        }).pipe(Effect.scoped, Effect.provide(server.layer), Effect.withClock(clock))
      }
    })
  )

  it.scoped(
    "a stored token from a machine whose clock is years ahead lives no longer than it was meant to (S132)",
    () =>
      onClock((clock) =>
        Effect.gen(function* () {
          const year = 365 * 86_400_000
          const now = clock.unsafeCurrentTimeMillis()
          for (const [issuedAt, lifetime, atMost] of [
            [now + year, 3_600_000, "1 hour"],
            [now + 30 * year, 600_000, "10 minutes"],
            [now, 1000 * year, "3650 days"]
          ] as const) {
            const counted = counting({ lifetime: 3600 })
            const credentials = yield* Credentials.make(Provider.persisted(counted.provider, "me"))
            const store = yield* TokenStore.TokenStore
            yield* store.transaction("me", () =>
              Effect.succeedSome(
                Token.make({
                  accessToken: Redacted.make("odd"),
                  issuedAt: DateTime.unsafeMake(issuedAt),
                  expiresAt: Option.some(DateTime.unsafeMake(issuedAt + lifetime))
                })
              )
            )
            assert.strictEqual(show(yield* credentials.token), "odd")
            yield* clock.suspend(atMost)
            assert.strictEqual(show(yield* credentials.token), "t1", atMost)
            yield* clock.jump(now - clock.unsafeCurrentTimeMillis())
          }
        }).pipe(Effect.provide(TokenStore.layerMemory()))
      )
  )

  it.scoped.each([
    ["before 1970", -86_400_000],
    ["at 1970", -1_000],
    ["after the last second of 2038", 2 ** 31 * 1000 - 1_000],
    ["over a leap second", Date.UTC(2016, 11, 31, 23, 59, 59)],
    ["over the end of summer time", Date.UTC(2026, 9, 25, 0, 59, 59)],
    ["after the year 9999", Date.UTC(9999, 11, 31, 23, 59, 59)]
  ] as const)("tokens live and are stored %s as at any other time (S133)", ([, wall]) =>
    Effect.gen(function* () {
      const clock = HybridClock.make(wall)
      yield* Effect.gen(function* () {
        const counted = counting({ lifetime: 600 })
        const provider = Provider.persisted(counted.provider, "me")
        const credentials = yield* Credentials.make(provider)
        yield* credentials.token
        yield* clock.advance("9 minutes")
        assert.strictEqual(show(yield* credentials.token), "t1")
        const again = yield* Credentials.make(provider)
        assert.strictEqual(show(yield* again.token), "t1")
        yield* clock.advance("2 minutes")
        assert.strictEqual(show(yield* again.token), "t2")
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.provide(TokenStore.layerKeyValueStore(), KeyValueStore.layerMemory)),
        Effect.withClock(clock)
      )
    })
  )

  it.scoped("a hundred callers on a failing server cause twenty requests a minute at most (S076)", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 600, takes: "100 millis" })
        counted.always = down
        const caller = Effect.forever(Effect.zipRight(Effect.exit(credentials.token), Effect.sleep("1 second")))
        const callers = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 100 }, () => caller),
            { concurrency: "unbounded" }
          )
        )
        yield* clock.advance("60 seconds")
        yield* Fiber.interrupt(callers)
        assert.isAtMost(counted.needs.length, 20)
        assert.isAtLeast(counted.needs.length, 4)
      })
    )
  )

  it.scoped("no sleep is longer than a minute, however long the token lives (S124)", () =>
    onClock((clock) =>
      withoutJitter(
        Effect.gen(function* () {
          for (const days of [30, 60, 400]) {
            const counted = counting({ lifetime: days * 86_400 })
            yield* scheduled(counted)
            yield* HybridClock.settle
          }
          yield* clock.advance("3 minutes")
          assert.isAtMost(Math.max(...clock.slept), 60_000)
          assert.isAtLeast(clock.slept.length, 9)
        })
      )
    )
  )

  it.live("with the real clock, every timer asked for is one that runtimes can count (S124)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const asked: Array<number> = []
        const real = globalThis.setTimeout
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            globalThis.setTimeout = ((run: () => void, millis?: number) => {
              asked.push(millis ?? 0)
              return real(run, millis)
            }) as typeof setTimeout
          }),
          () => Effect.sync(() => void (globalThis.setTimeout = real))
        )
        const counted = counting({ lifetime: 400 * 86_400 })
        const credentials = yield* scheduled(counted)
        yield* credentials.token
        yield* Effect.promise(() => new Promise((resume) => real(resume, 20)))
        // One timer runs until the next look at the clock: a sleep that is too long for a timer would be none at all.
        assert.include(asked, 60_000)
        assert.isAtMost(Math.max(...asked), 2 ** 31 - 1)
        assert.strictEqual(counted.needs.length, 1)
      })
    )
  )

  it("renewals of a fleet are spread over the window and never leave it (S075, S137)", () => {
    const leads = Array.from({ length: 10_000 }, (_, n) => Timing.renewalLead(3_600_000, 60_000, n / 10_000))
    const perSecond = new Map<number, number>()
    for (const lead of leads) perSecond.set(Math.floor(lead / 1000), (perSecond.get(Math.floor(lead / 1000)) ?? 0) + 1)
    assert.isAtMost(Math.max(...perSecond.values()), 300)
    assert.isAtMost(Math.max(...leads), 60_000)
    assert.isAtLeast(Math.min(...leads), 10_000)
    // Servers that count in whole seconds end a token up to a second early.
    const short = Array.from({ length: 100 }, (_, n) => Timing.renewalLead(6_000, 60_000, n / 100))
    assert.isAtMost(Math.max(...short), 1_200)
    assert.isAtLeast(Math.min(...short), 1_000)
  })

  it.scoped("each token gets its own jitter, from Effect's Random", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const counted = counting({ lifetime: 3600 })
        yield* scheduled(counted)
        yield* clock.advance("2 days")
        const gaps = counted.startedAt.slice(1).map((at, n) => at - counted.startedAt[n]!)
        assert.isAtLeast(new Set(gaps).size, 5)
        for (const gap of gaps) assert.isTrue(gap >= 3_540_000 && gap < 3_600_000, `${gap}`)
      })
    )
  )
})

describe("the clock of long runs", () => {
  it.live("wakes whoever sleeps, also after a promise, in order, a month of naps in a moment (S142)", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make(0)
      let naps = 0
      const napping = Effect.zipRight(
        Effect.promise(() => Promise.resolve()),
        Effect.zipRight(
          Effect.sleep("1 minute"),
          Effect.sync(() => naps++)
        )
      )
      const sleeper = yield* Effect.fork(Effect.withClock(Effect.forever(napping), clock))
      const woken: Array<number> = []
      for (const seconds of [30, 10, 20]) {
        yield* Effect.fork(
          Effect.withClock(
            Effect.zipRight(
              Effect.sleep(seconds * 1000),
              Effect.sync(() => woken.push(seconds))
            ),
            clock
          )
        )
      }
      // A clock that moved on before everybody had gone to sleep would miss the first nap.
      yield* clock.advance("1 minute")
      assert.deepStrictEqual([naps, ...woken], [1, 10, 20, 30])
      yield* clock.advance("30 days")
      assert.strictEqual(naps, 1 + 30 * 24 * 60)
      yield* Fiber.interrupt(sleeper)
    })
  )
})

describe("Credentials and who they belong to", () => {
  it.scoped("a flight is nobody's child: no annotation, span or clock of the first caller is in it (S110)", () =>
    Effect.gen(function* () {
      const spans: Array<{ name: string; parent: boolean }> = []
      const annotations: Array<ReadonlyArray<string>> = []
      const provider = Provider.make({
        name: "Looking",
        acquire: () =>
          Effect.gen(function* () {
            const span = yield* Effect.currentSpan
            spans.push({ name: span.name, parent: Option.isSome(span.parent) })
            annotations.push(Array.from(yield* Effect.logAnnotations, ([key]) => key))
            return Token.make({ accessToken: Redacted.make("t"), issuedAt: yield* DateTime.now })
          }).pipe(Effect.orDie)
      })
      const credentials = yield* Credentials.make(provider)
      yield* credentials.token.pipe(
        Effect.annotateLogs("caller", "first"),
        Effect.withSpan("caller"),
        Effect.withClock(HybridClock.make())
      )
      assert.deepStrictEqual(spans, [{ name: "Credentials.acquire", parent: false }])
      assert.deepStrictEqual(annotations, [["provider"]])
    })
  )

  it.effect("each call of layer is another set of credentials", () =>
    Effect.gen(function* () {
      const counted = counting()
      const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
      yield* Effect.provide(program, Credentials.layer(counted.provider))
      yield* Effect.provide(program, Credentials.layer(counted.provider))
      assert.strictEqual(counted.needs.length, 2)
    })
  )

  it.effect("credentials with names of their own live side by side", () =>
    Effect.gen(function* () {
      const named = (name: string) =>
        Provider.make({
          name,
          acquire: () =>
            Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make(name), issuedAt }))
        })
      const GitHub = Credentials.Tag("github")
      const GitLab = Credentials.Tag("gitlab")
      const both = Effect.all([
        Effect.flatMap(GitHub, (_) => _.token),
        Effect.flatMap(GitLab, (_) => _.token),
        Effect.flatMap(Credentials.Credentials, (_) => _.token)
      ])
      const tokens = yield* both.pipe(
        Effect.provide(Credentials.layer(named("hub"), { tag: GitHub })),
        Effect.provide(Credentials.layerScheduled(named("lab"), { tag: GitLab })),
        Effect.provide(Credentials.layer(named("default")))
      )
      assert.deepStrictEqual(tokens.map(show), ["hub", "lab", "default"])
    })
  )

  it.scoped("tokens that others obtained are taken over, older and expired ones are not", () =>
    Effect.gen(function* () {
      const more = yield* Deferred.make<Token.Token>()
      const issued = (name: string, at: number, lifetime = 600_000) =>
        Token.make({
          accessToken: Redacted.make(name),
          issuedAt: DateTime.unsafeMake(at),
          expiresAt: Option.some(DateTime.unsafeMake(at + lifetime))
        })
      yield* TestClock.setTime(1_000_000)
      const { counted, credentials } = yield* start({
        lifetime: 600,
        rest: {
          updates: Stream.concat(Stream.make(issued("expired", 0, 1000)), Stream.fromEffect(Deferred.await(more)))
        }
      })
      yield* TestClock.adjust(0)
      assert.strictEqual(show(yield* credentials.token), "t1")
      yield* Deferred.succeed(more, issued("theirs", 1_000_001))
      yield* TestClock.adjust(1)
      assert.strictEqual(show(yield* credentials.token), "theirs")
      assert.strictEqual(counted.needs.length, 1)
    })
  )

  it.scoped("spans, metrics and logs carry the provider's name and nothing else of it (S035)", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message, annotations }) => {
        lines.push(JSON.stringify([message, Array.from(annotations)]))
      })
      const counted = counting({ lifetime: 600, rotates: true })
      const name = `Metered${Math.floor(yield* Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis()))}`
      const provider = { ...counted.provider, name }
      counted.script.push(down)
      const attributes: Array<unknown> = []
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          Provider.make({
            ...provider,
            acquire: (need) =>
              Effect.zipRight(
                Effect.tap(Effect.currentSpan, (span: Tracer.Span) =>
                  Effect.sync(() => attributes.push(Object.fromEntries(span.attributes)))
                ).pipe(Effect.orDie),
                provider.acquire(need)
              )
          })
        )
        yield* Effect.exit(credentials.token)
        yield* TestClock.adjust("5 seconds")
        yield* credentials.token
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.deepStrictEqual(attributes, [{ provider: name }, { provider: name }])
      assert.strictEqual(lines.length, 1)
      const snapshot = (yield* Metric.snapshot).filter((pair) => pair.metricKey.tags.some((tag) => tag.value === name))
      assert.sameMembers(
        snapshot.map((pair) => pair.metricKey.name),
        ["effect_credentials_tokens_issued", "effect_credentials_renewals_failed", "effect_credentials_wait_seconds"]
      )
      for (const pair of snapshot)
        assert.deepStrictEqual(
          pair.metricKey.tags.map((tag) => tag.key),
          ["provider"]
        )
    })
  )

  it.scoped("refreshes is the schedule as a stream, and a failure does not end it", () =>
    onClock((clock) =>
      Effect.gen(function* () {
        const { counted, credentials } = yield* start({ lifetime: 300 })
        counted.script.push(undefined, down)
        const tokens = yield* Effect.fork(Stream.runCollect(Stream.take(Credentials.refreshes(credentials), 4)))
        yield* clock.advance("1 hour")
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(tokens)).map(show), ["t1", "t3", "t4", "t5"])
        const ended = counted.needs.length
        yield* clock.advance("1 hour")
        assert.strictEqual(counted.needs.length, ended)
      })
    )
  )

  it.effect("a layer that cannot reach its server is built all the same", () =>
    Effect.gen(function* () {
      const counted = counting()
      counted.always = down
      const exit = yield* Effect.exit(Effect.provide(Effect.void, Credentials.layerScheduled(counted.provider)))
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})
