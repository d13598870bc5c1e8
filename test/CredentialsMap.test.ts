import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import * as CredentialsMap from "../src/CredentialsMap.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import * as Heap from "../src/internal/heap.ts"
import * as Provider from "../src/Provider.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as Token from "../src/Token.ts"
import { show } from "./support/engine.ts"
import * as HybridClock from "./support/HybridClock.ts"

/** Providers by key that count: tokens are called `acme-1`, `acme-2`, … */
const tenants = (options: { readonly lifetime?: number; readonly takes?: Duration.DurationInput } = {}) => {
  const acquired = new Map<string, Array<number>>()
  const lookups: Array<string> = []
  let [running, most] = [0, 0]
  const fails = new Set<string>()
  const lookup = (tenant: string) => {
    lookups.push(tenant)
    return Provider.make({
      name: "Tenant",
      acquire: () =>
        Effect.gen(function* () {
          const issuedAt = yield* DateTime.now
          const times = acquired.get(tenant) ?? []
          acquired.set(tenant, times)
          const n = times.push(DateTime.toEpochMillis(issuedAt))
          most = Math.max(most, ++running)
          if (options.takes !== undefined) yield* Effect.sleep(options.takes)
          if (fails.has(tenant)) {
            return yield* new RefreshError({ provider: "Tenant", reason: { _tag: "Unavailable", status: 503 } })
          }
          return Token.make({
            accessToken: Redacted.make(`${tenant}-${n}`),
            issuedAt,
            expiresAt: Option.map(Option.fromNullable(options.lifetime), (seconds) =>
              DateTime.add(issuedAt, { seconds })
            )
          })
        }).pipe(Effect.ensuring(Effect.sync(() => running--)))
    })
  }
  const count = (tenant: string) => acquired.get(tenant)?.length ?? 0
  return { lookup, lookups, acquired, count, fails, most: () => most }
}

describe("keys", () => {
  it.scoped("each has credentials of its own, made when first asked for", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants()
      const map = yield* CredentialsMap.make({ lookup })
      assert.strictEqual(yield* map.size, 0)
      assert.strictEqual(show(yield* map.token("a")), "a-1")
      assert.strictEqual(show(yield* map.token("b")), "b-1")
      assert.strictEqual(show(yield* map.token("a")), "a-1")
      assert.deepStrictEqual(lookups, ["a", "b"])
      assert.strictEqual(yield* map.size, 2)
    })
  )

  it.scoped("a thousand callers of one key make one set of credentials and one token request", () =>
    Effect.gen(function* () {
      const { count, lookup, lookups } = tenants({ takes: "1 second" })
      const map = yield* CredentialsMap.make({ lookup })
      const running = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 1000 }, () => map.token("a")),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(new Set((yield* Fiber.join(running)).map(show)), new Set(["a-1"]))
      assert.deepStrictEqual([lookups, count("a")], [["a"], 1])
    })
  )

  const word = fc.constantFrom("a", "b", "a b", "", "\0", '","', "[]", "null", "scope")
  const key = fc.oneof(
    word,
    fc.string({ maxLength: 3 }).map((text) => `\0${text}`),
    fc.dictionary(word, fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.constant(undefined)), { maxKeys: 3 })
  )
  const canonical = (key: CredentialsMap.Key) =>
    typeof key === "string"
      ? key
      : Object.fromEntries(
          Object.entries(key)
            .filter(([, value]) => value !== undefined)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, value]) => [name, Array.isArray(value) ? [...new Set(value)].sort() : value])
        )

  it.effect("a token of one key is never handed to another, whatever the keys hold (S012, S116)", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(key, { minLength: 2, maxLength: 8 }), (keys) =>
          Effect.gen(function* () {
            const map = yield* CredentialsMap.make({
              lookup: (key: CredentialsMap.Key) =>
                StaticToken.make({ token: `k-${btoa(encodeURIComponent(JSON.stringify(canonical(key))))}` })
            })
            for (const key of keys) {
              const expected = `k-${btoa(encodeURIComponent(JSON.stringify(canonical(key))))}`
              assert.strictEqual(show(yield* map.token(key)), expected)
            }
          }).pipe(Effect.scoped, Effect.runPromise)
        ),
        { numRuns: 50 }
      )
    )
  )

  it.scoped("the order of members and of scopes makes no difference, every other thing does (S116)", () =>
    Effect.gen(function* () {
      let n = 0
      const map = yield* CredentialsMap.make({
        lookup: (_: CredentialsMap.Key) => StaticToken.make({ token: `t${++n}` })
      })
      const same = [
        { tenant: "acme", scope: ["a", "b"] },
        { scope: ["b", "a", "b"], tenant: "acme" },
        { tenant: "acme", scope: ["a", "b"], audience: undefined }
      ]
      const others = [
        { tenant: "acme", scope: ["a"] },
        { tenant: "acme", scope: "a" },
        { tenant: "acme", scope: ["a b"] },
        { tenant: "acme", scope: [] },
        { tenant: "acme" },
        { tenant: "acme", audience: "a" },
        { tenant: "emca", scope: ["a", "b"] },
        JSON.stringify([
          ["scope", ["a", "b"]],
          ["tenant", "acme"]
        ]),
        `\0${JSON.stringify([
          ["scope", ["a", "b"]],
          ["tenant", "acme"]
        ])}`
      ]
      assert.deepStrictEqual(new Set((yield* Effect.forEach(same, map.token)).map(show)), new Set(["t1"]))
      assert.strictEqual(new Set((yield* Effect.forEach(others, map.token)).map(show)).size, others.length)
      assert.strictEqual(n, others.length + 1)
    })
  )

  it.scoped("what is no key is refused, and nothing is looked up for it", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants()
      const map = yield* CredentialsMap.make({ lookup })
      for (const key of [
        1,
        2,
        null,
        undefined,
        true,
        { tenant: 1 },
        { scope: [1] },
        { at: { deep: "x" } }
      ] as ReadonlyArray<any>) {
        const error = yield* Effect.flip(map.token(key))
        assert.strictEqual(
          error.message,
          "CredentialsMap: option key must be text, or a record of texts and lists of texts"
        )
      }
      assert.deepStrictEqual(lookups, [])
    })
  )
})

describe("options", () => {
  it.scoped(
    "an option of a key's provider that cannot work is that key's error alone, and is looked at anew each time",
    () =>
      Effect.gen(function* () {
        let token = " "
        const map = yield* CredentialsMap.make({
          lookup: (key: string) => StaticToken.make({ token: key === "bad" ? token : "fine" })
        })
        assert.strictEqual((yield* Effect.flip(map.token("bad")))._tag, "InvalidOption")
        assert.strictEqual(show(yield* map.token("good")), "fine")
        assert.strictEqual(yield* map.size, 1)
        token = "mended"
        assert.strictEqual(show(yield* map.token("bad")), "mended")
      })
  )

  it.scoped("a lookup that throws is a defect of its caller, and the map goes on", () =>
    Effect.gen(function* () {
      const map = yield* CredentialsMap.make({
        lookup: (key: string) => {
          if (key === "bad") throw new Error("broken")
          return StaticToken.make({ token: "fine" })
        }
      })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(map.token("bad"))))
      assert.strictEqual(show(yield* map.token("good")), "fine")
    })
  )

  it.scoped("what is no key is refused by all, and means no other", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants()
      const map = yield* CredentialsMap.make({ lookup })
      yield* map.token("")
      for (const odd of [undefined, null, 1, { tenant: 1 }] as Array<any>) {
        assert.strictEqual((yield* Effect.flip(map.token(odd)))._tag, "InvalidOption")
        yield* map.invalidate(odd)
      }
      yield* map.token("")
      assert.deepStrictEqual(lookups, [""])
    })
  )

  it.scoped.each([
    [{ capacity: 0 }, "capacity"],
    [{ capacity: 1.5 }, "capacity"],
    [{ capacity: Number.NaN }, "capacity"],
    [{ concurrency: 0 }, "concurrency"],
    [{ idleTimeToLive: 0 }, "idleTimeToLive"],
    [{ idleTimeToLive: "soon" as any }, "idleTimeToLive"]
  ] as const)("%j is refused before anything is made", ([options, option]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(CredentialsMap.make({ lookup: tenants().lookup, ...options }))
      assert.strictEqual(error.option, option)
    })
  )
})

describe("release", () => {
  it.scoped("beyond the capacity those go that have not been used for longest", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants()
      const map = yield* CredentialsMap.make({ lookup, capacity: 2 })
      for (const key of ["a", "b", "a", "c", "a", "b"]) yield* map.token(key)
      assert.deepStrictEqual(lookups, ["a", "b", "c", "b"])
      assert.strictEqual(yield* map.size, 2)
    })
  )

  it.scoped(
    "a thousand keys have a token each, the map stays small, and the failure of some is theirs alone (S115)",
    () =>
      Effect.gen(function* () {
        const made = tenants()
        const map = yield* CredentialsMap.make({ lookup: made.lookup, capacity: 64 })
        const keys = Array.from({ length: 1000 }, (_, n) => `k${n}`)
        for (const key of keys.filter((_, n) => n % 10 === 0)) made.fails.add(key)
        const got = yield* Effect.forEach(keys, (key) => Effect.either(map.token(key)), { concurrency: 50 })
        keys.forEach((key, n) =>
          assert.strictEqual(
            Either.match(got[n]!, { onLeft: ({ _tag }) => _tag, onRight: show }),
            n % 10 === 0 ? "RefreshError" : `${key}-1`
          )
        )
        assert.isAtMost(yield* map.size, 64)
        // The latest are still there, and nobody is asked again for them.
        assert.strictEqual(show(yield* map.token("k999")), "k999-1")
        assert.strictEqual(made.count("k999"), 1)
      })
  )

  it.scoped("those in use are never released: there may be more for a while", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants({ lifetime: 10 })
      const map = yield* CredentialsMap.make({ lookup, capacity: 1, idleTimeToLive: "1 minute" })
      const scope = yield* Scope.make()
      const held = yield* Scope.extend(map.get("a"), scope)
      yield* map.token("b")
      yield* map.token("c")
      assert.strictEqual(yield* map.size, 1)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(show(yield* held.token), "a-1")
      assert.strictEqual(yield* map.use("a", ({ name }) => Effect.succeed(name)), "Tenant")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(lookups, ["a", "b", "c"])
      yield* map.token("d")
      assert.strictEqual(yield* map.size, 1)
    })
  )

  it.scoped("credentials that nobody uses are released after a while, and made anew when asked for", () =>
    Effect.gen(function* () {
      const { lookup, lookups } = tenants()
      const map = yield* CredentialsMap.make({ lookup, idleTimeToLive: "10 minutes" })
      yield* map.token("a")
      yield* TestClock.adjust("9 minutes")
      yield* map.token("b")
      assert.strictEqual(yield* map.size, 2)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* map.size, 1)
      assert.strictEqual(show(yield* map.token("a")), "a-2")
      assert.deepStrictEqual(lookups, ["a", "b", "a"])
    })
  )

  it.effect("a machine that slept, or whose clock was set back, does not keep them for longer", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make()
      yield* Effect.gen(function* () {
        const map = yield* CredentialsMap.make({ lookup: tenants().lookup, idleTimeToLive: "10 minutes" })
        yield* map.token("a")
        yield* clock.suspend("20 minutes")
        yield* clock.advance("1 minute")
        assert.strictEqual(yield* map.size, 0)
        yield* map.token("b")
        yield* clock.jump(-86_400_000)
        yield* clock.advance("11 minutes")
        assert.strictEqual(yield* map.size, 0)
      }).pipe(Effect.scoped, Effect.withClock(clock))
    })
  )

  it.scoped("released credentials are closed; those in use when they are, a moment later", () =>
    Effect.gen(function* () {
      const { lookup } = tenants()
      const map = yield* CredentialsMap.make({ lookup })
      const scope = yield* Scope.make()
      const old = yield* Scope.extend(map.get("a"), scope)
      yield* old.token
      yield* map.invalidate("a")
      assert.strictEqual(yield* map.size, 0)
      assert.strictEqual(show(yield* map.token("a")), "a-2")
      assert.strictEqual(show(yield* old.token), "a-1")
      yield* Scope.close(scope, Exit.void)
      yield* Effect.yieldNow()
      assert.include((yield* Effect.flip(old.renew(yield* old.token))).message, "closed")
      assert.strictEqual(show(yield* map.token("a")), "a-2")
    })
  )

  it.scoped("what is invalidated while it is being obtained reaches those who waited, and nobody after them", () =>
    Effect.gen(function* () {
      const { lookup } = tenants({ takes: "1 second" })
      const map = yield* CredentialsMap.make({ lookup })
      const waiting = yield* Effect.fork(map.token("a"))
      yield* Effect.yieldNow()
      yield* map.invalidate("a")
      const next = yield* Effect.fork(map.token("a"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([show(yield* Fiber.join(waiting)), show(yield* Fiber.join(next))], ["a-1", "a-2"])
    })
  )

  it.scoped("an interrupted caller uses nothing any more", () =>
    Effect.gen(function* () {
      const { lookup } = tenants({ takes: "1 hour" })
      const map = yield* CredentialsMap.make({ lookup, capacity: 1 })
      const waiting = yield* Effect.fork(map.token("a"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* Effect.fork(map.token("b"))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* map.size, 1)
    })
  )

  it.effect("all are closed with the map", () =>
    Effect.gen(function* () {
      const map = yield* Effect.scoped(
        Effect.tap(CredentialsMap.make({ lookup: tenants().lookup }), (map) => map.token("a"))
      )
      assert.include((yield* Effect.flip(map.token("b"))).message, "closed")
    })
  )

  /** A tenant whose token request may have rotated a refresh token, whatever becomes of who asked; it ends with `answer`. */
  const rotating = (answer: Effect.Effect<unknown>) =>
    Provider.make({
      name: "Rotating",
      acquire: () =>
        Provider.spending(
          Effect.flatMap(answer, () =>
            Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("t"), issuedAt }))
          )
        )
    })

  it.effect("a rotation that was on its way when its tenant was released lands before the map is closed", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const map = yield* Scope.extend(CredentialsMap.make({ lookup: () => rotating(Deferred.await(answer)) }), scope)
      const caller = yield* Effect.fork(map.token("a"))
      yield* TestClock.adjust("1 second")
      yield* map.invalidate("a")
      yield* Effect.forkDaemon(Fiber.interrupt(caller))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      assert.isNull(closing.unsafePoll())
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(closing)
    })
  )

  it.effect("all are closed at once: none waits for the rotation of another", () =>
    Effect.gen(function* () {
      const otherIsClosed = yield* Deferred.make<void>()
      let hasLanded = false
      const slow = rotating(Effect.andThen(Deferred.await(otherIsClosed), () => (hasLanded = true)))
      const other = Provider.make({
        ...tenants().lookup("other"),
        check: Effect.flatMap(Effect.scope as Effect.Effect<Scope.Scope>, (scope) =>
          Scope.addFinalizer(scope, Deferred.succeed(otherIsClosed, undefined))
        )
      })
      const scope = yield* Scope.make()
      const lookup = (tenant: string) => (tenant === "slow" ? slow : other)
      const map = yield* Scope.extend(CredentialsMap.make({ lookup }), scope)
      const caller = yield* Effect.fork(map.token("slow"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptFork(caller)
      yield* TestClock.adjust("1 second")
      yield* map.token("other")
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(hasLanded)
    })
  )
})

/** On a clock of its own, which is quick over long times. */
const long = <A, E>(program: (clock: HybridClock.HybridClock) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.suspend(() => {
    const clock = HybridClock.make()
    return program(clock).pipe(Effect.scoped, Effect.withClock(clock))
  })

describe("the schedule", () => {
  it.effect("renews what falls due, whether anybody asks or not, and forgets what nobody has used for long", () =>
    long((clock) =>
      Effect.gen(function* () {
        const { count, lookup } = tenants({ lifetime: 600 })
        const map = yield* CredentialsMap.make({ lookup, scheduled: true, idleTimeToLive: "1 hour" })
        yield* map.token("a")
        yield* map.token("b")
        assert.deepStrictEqual([count("a"), count("b")], [1, 1])
        yield* clock.advance("10 minutes")
        assert.deepStrictEqual([count("a"), count("b")], [2, 2])
        yield* clock.advance("1 hour")
        assert.strictEqual(yield* map.size, 0)
        const total = count("a")
        assert.isBelow(total, 10)
        yield* clock.advance("1 day")
        assert.strictEqual(count("a"), total)
      })
    )
  )

  it.effect("is one sleep, however many there are, and none where there is nobody", () =>
    long((clock) =>
      Effect.gen(function* () {
        let asleep = 0
        const counting = {
          ...clock,
          sleep: (duration: Duration.Duration) =>
            Effect.acquireUseRelease(
              Effect.sync(() => asleep++),
              () => clock.sleep(duration),
              () => Effect.sync(() => asleep--)
            )
        }
        const { lookup } = tenants({ lifetime: 3600 })
        yield* Effect.gen(function* () {
          const map = yield* CredentialsMap.make({ lookup, scheduled: true, idleTimeToLive: "10 minutes" })
          yield* HybridClock.settle
          assert.strictEqual(asleep, 0)
          for (let i = 0; i < 200; i++) yield* map.token(`t${i}`)
          yield* HybridClock.settle
          assert.strictEqual(asleep, 1)
          yield* clock.advance("11 minutes")
          assert.strictEqual(asleep, 0)
        }).pipe(Effect.withClock(counting))
      })
    )
  )

  it.scoped("no more renewals run at a time than are allowed, and none is left out", () =>
    Effect.gen(function* () {
      const { count, lookup, most } = tenants({ lifetime: 1000, takes: "1 second" })
      const map = yield* CredentialsMap.make({ lookup, scheduled: true, concurrency: 3 })
      const keys = Array.from({ length: 20 }, (_, i) => `t${i}`)
      // To be there is enough: nobody asks for a token.
      yield* Effect.forEach(keys, (key) => map.use(key, () => Effect.void))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(most(), 3)
      assert.deepStrictEqual(new Set(keys.map(count)), new Set([1]))
    })
  )

  it.effect("a tenant whose server is down holds up nobody else", () =>
    long((clock) =>
      Effect.gen(function* () {
        const { count, fails, lookup } = tenants({ lifetime: 100 })
        const map = yield* CredentialsMap.make({ lookup, scheduled: true })
        fails.add("bad")
        yield* map.use("bad", () => Effect.void)
        yield* map.token("good")
        yield* clock.advance("10 minutes")
        assert.isAtLeast(count("good"), 6)
        assert.isAtLeast(count("bad"), 2)
        fails.clear()
        yield* clock.advance("6 minutes")
        assert.match(show(yield* map.token("bad")), /^bad-/)
      })
    )
  )

  it.effect("after a night with the lid closed everything is renewed at once", () =>
    long((clock) =>
      Effect.gen(function* () {
        const { count, lookup } = tenants({ lifetime: 3600 })
        const map = yield* CredentialsMap.make({ lookup, scheduled: true, idleTimeToLive: "1 day" })
        yield* map.token("a")
        yield* clock.suspend("8 hours")
        yield* clock.advance("1 minute")
        assert.strictEqual(count("a"), 2)
      })
    )
  )

  it.effect("a token whose expiry is unknown is left alone", () =>
    long((clock) =>
      Effect.gen(function* () {
        const { count, lookup } = tenants()
        const map = yield* CredentialsMap.make({ lookup, scheduled: true, idleTimeToLive: Infinity })
        yield* map.token("a")
        yield* clock.advance("12 hours")
        assert.strictEqual(count("a"), 1)
      })
    )
  )
})

describe("in use", () => {
  const echo = HttpClient.make((request) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["authorization"])))
  )

  it.scoped("requests of many tenants, all at once, carry each tenant's own token (S012)", () =>
    Effect.gen(function* () {
      const { lookup } = tenants()
      const map = yield* CredentialsMap.make({ lookup, capacity: 5 })
      const own = yield* Credentials.make(StaticToken.make({ token: "own" }))
      const client = yield* AuthenticatedHttpClient.make(echo, own, { origins: ["https://api.example.com"] })
      const call = (tenant: string) =>
        map.use(tenant, (credentials) =>
          Effect.flatMap(client.get("https://api.example.com/me"), (response) => response.text).pipe(
            AuthenticatedHttpClient.withCredentials(credentials)
          )
        )
      const keys = Array.from({ length: 200 }, (_, i) => `t${i % 20}`)
      const answers = yield* Effect.forEach(keys, call, { concurrency: 50 })
      answers.forEach((answer, i) => assert.match(answer, new RegExp(`^Bearer ${keys[i]}-\\d+$`)))
    })
  )

  it.scoped("credentials keep nothing of the caller who happened to come first", () =>
    Effect.gen(function* () {
      const ref = FiberRef.unsafeMake("nobody")
      const seen: Array<string> = []
      const map = yield* CredentialsMap.make({
        lookup: (_: string) =>
          Provider.make({
            name: "Tenant",
            acquire: () =>
              Effect.flatMap(FiberRef.get(ref), (who) => {
                seen.push(who)
                return Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("t"), issuedAt }))
              })
          })
      })
      yield* Effect.locally(map.token("a"), ref, "the first caller")
      assert.deepStrictEqual(seen, ["nobody"])
    })
  )

  it.scoped("printing a map shows no token and no key", () =>
    Effect.gen(function* () {
      const map = yield* CredentialsMap.make({ lookup: (key: string) => StaticToken.make({ token: key }) })
      yield* map.token("canary-s3cret")
      assert.notInclude(inspect(map, { depth: 20 }) + JSON.stringify(map), "canary-s3cret")
    })
  )
})

describe("the heap", () => {
  it("gives back what it was given, the least first", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: -50, max: 50 }))), (steps) => {
        const heap = Heap.make<number>((n) => n)
        const model: Array<number> = []
        for (const step of steps) {
          if (step === null) {
            model.sort((a, b) => a - b)
            assert.strictEqual(heap.peek(), model[0])
            assert.strictEqual(heap.pop(), model.shift())
          } else {
            heap.push(step)
            model.push(step)
          }
        }
        model.sort((a, b) => a - b)
        for (const value of model) assert.strictEqual(heap.pop(), value)
        assert.isUndefined(heap.pop())
      })
    )
  })
})
