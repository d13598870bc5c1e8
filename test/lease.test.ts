import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as TestClock from "effect/TestClock"
import * as Lease from "../src/internal/lease.ts"
import * as Spending from "../src/internal/spending.ts"

const lease = 9_000

/** Lends in memory, with its own idea of the time, as a server has one. */
const makeLender = () => {
  let holder: { readonly owner: string; readonly until: number } | undefined
  let wake = Deferred.unsafeMake<void>(FiberId.none)
  const given: Array<string> = []
  const lender = {
    /** What every question fails with now. */
    failure: undefined as string | undefined,
    given,
    asked: { take: 0, renew: 0, release: 0 },
    /** What happens while a question is on its way. */
    before: Effect.void as Effect.Effect<void>,
    /** What happens while an answer is. */
    after: Effect.void as Effect.Effect<void>,
    holder: () => holder?.owner,
    /** What a failover does, or somebody who removes keys. */
    forget: () => (holder = undefined)
  }
  const question = <A>(kind: keyof typeof lender.asked, answer: (now: number) => A): Effect.Effect<A, string> =>
    Effect.suspend(() => {
      lender.asked[kind]++
      return Effect.zipRight(
        lender.before,
        Effect.clockWith((clock) =>
          lender.failure === undefined
            ? Effect.succeed(answer(clock.unsafeCurrentTimeMillis()))
            : Effect.fail(lender.failure)
        )
      ).pipe(Effect.tap(() => lender.after))
    })
  const isFree = (now: number) => holder === undefined || holder.until <= now
  const self: Lease.Lender<string> = {
    take: (owner) =>
      question("take", (now) => {
        if (!isFree(now) && holder?.owner !== owner) return false
        if (holder?.owner !== owner) given.push(owner)
        holder = { owner, until: now + lease }
        return true
      }),
    renew: (owner) =>
      question("renew", (now) => {
        if (isFree(now) || holder?.owner !== owner) return false
        holder = { owner, until: now + lease }
        return true
      }),
    release: (owner) =>
      question("release", () => {
        if (holder?.owner !== owner) return
        holder = undefined
        Deferred.unsafeDone(wake, Exit.void)
        wake = Deferred.unsafeMake<void>(FiberId.none)
      }),
    released: Effect.succeed(Effect.suspend(() => Deferred.await(wake)))
  }
  return Object.assign(lender, { self })
}

type Lender = ReturnType<typeof makeLender>

const holding = <A, E, R>({ self }: Lender, effect: (owner: string) => Effect.Effect<A, E, R>) =>
  Lease.holding(effect, {
    lender: self,
    lease: Duration.millis(lease),
    timeLimit: Duration.seconds(35),
    onTimeout: () => "timeout",
    onLost: () => "lost"
  })

/** Somebody else who takes the lease as soon as he can, and keeps it until he is told. */
const somebodyElse = (lender: Lender) =>
  Effect.gen(function* () {
    const done = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(holding(lender, () => Deferred.await(done)))
    return Effect.zipRight(Deferred.succeed(done, undefined), Fiber.join(fiber))
  })

describe("a lease", () => {
  it.effect("is renewed for as long as it is needed, and given back: never two have it (S157, S189)", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      let inside = 0
      const work = holding(lender, () =>
        Effect.gen(function* () {
          assert.strictEqual(++inside, 1)
          yield* Effect.sleep(lease * 2.5)
          inside--
        })
      )
      const fiber = yield* Effect.fork(Effect.all([work, work], { concurrency: 2 }))
      yield* TestClock.adjust(lease * 6)
      yield* Fiber.join(fiber)
      assert.strictEqual(lender.given.length, 2)
      assert.isUndefined(lender.holder())
    })
  )

  it.effect("goes to who waits as soon as it is given back", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const leave = yield* somebodyElse(lender)
      yield* TestClock.adjust(1)
      const waiting = yield* Effect.fork(holding(lender, () => Effect.clockWith((clock) => clock.currentTimeMillis)))
      yield* TestClock.adjust(2_000)
      yield* leave
      assert.strictEqual(yield* Fiber.join(waiting), 2_001)
    })
  )

  it.effect("is asked for at growing intervals where nobody says that it was given back (S196)", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      yield* lender.self.take("a holder that died")
      const waiting = yield* Effect.fork(holding(lender, () => Effect.clockWith((clock) => clock.currentTimeMillis)))
      yield* TestClock.adjust(lease + 1_000)
      assert.isAtMost(yield* Fiber.join(waiting), lease + 1_000)
      assert.isAtMost(lender.asked.take, 20)
    })
  )

  it.effect("is not waited for longer than the limit, nor by who is interrupted", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const leave = yield* somebodyElse(lender)
      const late = yield* Effect.fork(Effect.flip(holding(lender, () => Effect.void)))
      const interrupted = yield* Effect.fork(holding(lender, () => Effect.void))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(interrupted)
      yield* TestClock.adjust("25 seconds")
      assert.strictEqual(yield* Fiber.join(late), "timeout")
      yield* leave
      assert.strictEqual(lender.given.length, 1)
      assert.isUndefined(lender.holder())
    })
  )

  it.effect("is given back if the answer to who asked for it was lost", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      lender.before = Effect.sleep("1 seconds")
      const fiber = yield* Effect.fork(holding(lender, () => Effect.void))
      yield* TestClock.adjust("500 millis")
      lender.before = Effect.void
      yield* lender.self.take("nobody")
      lender.forget()
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(lender.asked.release, 1)
    })
  )

  it.effect("that is lost interrupts what has sent nothing, which runs again with another one", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const owners: Array<string> = []
      const fiber = yield* Effect.fork(
        holding(lender, (owner) => {
          owners.push(owner)
          return owners.length === 1 ? Effect.never : Effect.succeed("second")
        })
      )
      yield* TestClock.adjust(1)
      lender.forget()
      yield* TestClock.adjust(lease / 3)
      assert.strictEqual(yield* Fiber.join(fiber), "second")
      assert.strictEqual(new Set(owners).size, 2)
    })
  )

  it.effect("that is lost twice is a failure, and nothing goes on", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const fiber = yield* Effect.fork(Effect.flip(holding(lender, () => Effect.never)))
      for (let n = 0; n < 2; n++) {
        yield* TestClock.adjust(1)
        lender.forget()
        yield* TestClock.adjust(lease / 3)
      }
      assert.strictEqual(yield* Fiber.join(fiber), "lost")
    })
  )

  it.effect("that is lost takes nothing from who has already sent something: he gets what it brings (S151)", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const fiber = yield* Effect.fork(
        holding(lender, () => Effect.as(Spending.spending(Effect.sleep("12 seconds")), "answer"))
      )
      yield* TestClock.adjust(1)
      lender.forget()
      const leave = yield* somebodyElse(lender)
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "answer")
      const [, other] = lender.given
      assert.strictEqual(lender.holder(), other)
      yield* leave
    })
  )

  it.effect("is confirmed in the moment before something is sent: who was stopped meanwhile sends nothing (S189)", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      let sent = 0
      let runs = 0
      const stopped = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        holding(lender, () =>
          Effect.gen(function* () {
            if (runs++ === 0) {
              yield* Deferred.succeed(stopped, undefined)
              yield* Deferred.await(goOn)
            }
            return yield* Spending.spending(Effect.sync(() => ++sent))
          })
        )
      )
      yield* Deferred.await(stopped)
      // Another one has had it for so short a time that no renewal noticed.
      lender.forget()
      yield* lender.self.take("somebody else")
      yield* Deferred.succeed(goOn, undefined)
      yield* TestClock.adjust(1)
      assert.strictEqual(sent, 0)
      lender.forget()
      yield* TestClock.adjust(1_000)
      assert.strictEqual(yield* Fiber.join(fiber), 1)
      assert.strictEqual(runs, 2)
    })
  )

  it.effect("that was confirmed before a stop is confirmed again after it (S189)", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      let sent = 0
      const goOn = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        holding(lender, () => Effect.zipRight(Deferred.await(goOn), Spending.spending(Effect.sync(() => ++sent))))
      )
      yield* TestClock.adjust(1)
      // The answer is on its way while the process is stopped.
      lender.after = Effect.suspend(() => {
        lender.after = Effect.void
        return Effect.forkDaemon(TestClock.adjust(lease + 1)).pipe(Effect.zipRight(Effect.sleep(lease)))
      })
      const before = lender.asked.renew
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual(yield* Fiber.join(fiber), 1)
      assert.isAbove(lender.asked.renew, before + 1)
    })
  )

  it.effect("that cannot be confirmed lets nothing be sent, and says why", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      let sent = 0
      const fiber = yield* Effect.fork(
        Effect.flip(
          holding(lender, () =>
            Effect.suspend(() => {
              lender.failure = "down"
              return Spending.spending(Effect.sync(() => ++sent))
            })
          )
        )
      )
      assert.strictEqual(yield* Fiber.join(fiber), "down")
      assert.strictEqual(sent, 0)
    })
  )

  it.effect("survives that nobody answers for a while, and is given up when that was too long", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      const outage = (length: number) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(holding(lender, () => Effect.as(Effect.sleep("30 seconds"), "done")))
          yield* TestClock.adjust(lease / 3 - 1)
          lender.failure = "down"
          yield* TestClock.adjust(length)
          lender.failure = undefined
          yield* TestClock.adjust("100 seconds")
          return yield* Effect.exit(Fiber.join(fiber))
        })
      assert.deepStrictEqual(yield* outage(lease / 3), Exit.succeed("done"))
      assert.strictEqual(lender.given.length, 1)
      assert.deepStrictEqual(yield* outage(lease / 2), Exit.succeed("done"))
      assert.strictEqual(lender.given.length, 2)
      assert.deepStrictEqual(yield* outage(lease), Exit.fail("down"))
      assert.strictEqual(lender.given.length, 3)
    })
  )

  it.effect("is nothing that a failure, a defect or an interruption inside keeps", () =>
    Effect.gen(function* () {
      const lender = makeLender()
      assert.strictEqual(yield* Effect.flip(holding(lender, () => Effect.fail("mine"))), "mine")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(holding(lender, () => Effect.die("defect")))))
      const fiber = yield* Effect.fork(holding(lender, () => Effect.never))
      yield* TestClock.adjust(1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.isTrue(Exit.isInterrupted(yield* Effect.exit(holding(lender, () => Effect.interrupt))))
      assert.isUndefined(lender.holder())
      assert.strictEqual(lender.given.length, 4)
    })
  )
})
