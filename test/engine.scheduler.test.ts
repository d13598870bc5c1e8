/**
 * The engine, the lock and the store in memory under a scheduler that runs fibers in random order and makes them yield
 * anywhere: what must hold, holds for every seed.
 */
import { describe, it as test } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import * as Lock from "../src/internal/lock.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { seeds, type World } from "./support/SeededScheduler.ts"

const count = Number(process.env["SEEDS"] ?? 100)

/** Each case is thousands of small worlds: it may take its time on a busy machine. */
const it = (sentence: string, body: () => void) => test(sentence, body, 60_000)

function ensure(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

const show = (token: Token.Token): string => Redacted.value(token.accessToken)

/** Which acquisition a token came from: the first is 1. */
const number = (token: Token.Token): number => Number(show(token).slice(1))

/** Counts who is inside of an effect, and looks at everybody who enters. */
const alone =
  (look: () => void, self: { inTheAir: number }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        self.inTheAir++
        look()
      }),
      () => effect,
      () => Effect.sync(() => self.inTheAir--)
    )

interface ServerOptions {
  /** Seconds that tokens live; undefined: unknown. */
  readonly lifetime?: number
  /** How many acquisitions fail, with an answer that says to try again, before any succeeds. */
  readonly failures?: number
  readonly rest?: Partial<Provider.Provider>
}

/** A server that rotates refresh tokens and takes the return of a spent one for theft, and the provider that asks it. */
const rotating = (world: World, options: ServerOptions = {}) => {
  const self = {
    /** Acquisitions begun. */
    begun: 0,
    /** Tokens issued. */
    issued: 0,
    aborted: 0,
    inTheAir: 0,
    /** When each acquisition began, in milliseconds. */
    times: [] as Array<number>,
    /** What must not happen, and did. */
    wrong: [] as Array<string>,
    /** The refresh token that will be accepted next. */
    expected: Option.none<string>(),
    revoked: [] as Array<number>
  }
  const failures = options.failures ?? 0
  const provider: Provider.Provider = Provider.make({
    name: "Rotating",
    revoke: (held) =>
      Effect.zipRight(
        world.pause(3),
        Effect.sync(() => {
          self.revoked.push(...held.map(number))
          self.expected = Option.none()
        })
      ),
    ...options.rest,
    acquire: (need) =>
      Effect.gen(function* () {
        const issuedAt = yield* DateTime.now
        yield* world.pause(4)
        if (self.begun <= failures) {
          return yield* new RefreshError({ provider: "Rotating", reason: { _tag: "Unavailable", status: 503 } })
        }
        // From here on the server has done its part: whatever becomes of the answer, the old refresh token is spent.
        const offered = Option.map(
          Option.flatMap(need.previous, (token) => token.refreshToken),
          Redacted.value
        )
        if (Option.isSome(offered) && Option.getOrNull(self.expected) !== offered.value) {
          self.wrong.push(`the spent refresh token ${offered.value} was offered again`)
        }
        if (Option.isNone(offered) && Option.isSome(self.expected)) {
          self.wrong.push(`the refresh token ${self.expected.value} was lost`)
        }
        const n = ++self.issued
        self.expected = Option.some(`r${n}`)
        yield* world.pause(4)
        return Token.make({
          accessToken: Redacted.make(`t${n}`),
          issuedAt,
          expiresAt: Option.map(Option.fromNullable(options.lifetime), (seconds) =>
            DateTime.add(issuedAt, { seconds })
          ),
          refreshToken: Option.some(Redacted.make(`r${n}`))
        })
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => self.aborted++)),
        alone(() => {
          self.begun++
          self.times.push(world.now().mono)
          if (self.inTheAir > 1) self.wrong.push("two acquisitions at once")
        }, self)
      )
  })
  const check = () => {
    ensure(self.wrong.length === 0, self.wrong.join(", "))
    ensure(self.aborted === 0, `${self.aborted} acquisitions were aborted`)
  }
  return Object.assign(self, { provider, check })
}

/** Six callers, of which some are interrupted at a random moment; how the others end. */
const callers = <A, E>(world: World, call: Effect.Effect<A, E>, interrupted = 1, most = 8) =>
  Effect.gen(function* () {
    const fibers = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () =>
      Effect.fork(Effect.zipRight(world.pause(most), call))
    )
    const first = world.below(6)
    for (let n = 0; n < interrupted; n++) {
      yield* world.pause(most)
      // Not awaited: whoever interrupts does not wait either.
      yield* Fiber.interruptFork(fibers[(first + n) % 6]!)
    }
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    return exits.filter((exit, index) => {
      const wasInterrupted = (index - first + 6) % 6 < interrupted
      ensure(
        wasInterrupted || Exit.isSuccess(exit) || !Cause.isInterrupted(exit.cause),
        "a caller was interrupted together with another"
      )
      return !wasInterrupted
    })
  })

const tokensOf = <E>(exits: ReadonlyArray<Exit.Exit<Token.Token, E>>): ReadonlyArray<string> =>
  exits.map((exit) => (Exit.isSuccess(exit) ? show(exit.value) : String(exit.cause)))

const all = (shown: ReadonlyArray<string>, expected: string) =>
  ensure(
    shown.every((one) => one === expected),
    `${expected} was expected: ${shown.join(", ")}`
  )

const times = (actual: number, expected: number) =>
  ensure(actual === expected, `${actual} acquisitions instead of ${expected}`)

/** Runs the body with credentials that it may close the scope of. */
const scoped = <A, E>(body: (scope: Scope.CloseableScope) => Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const result = yield* Effect.provideService(body(scope), Scope.Scope, scope)
    yield* Scope.close(scope, Exit.void)
    return result
  })

describe("Credentials under every order of events", () => {
  it("six cold callers, one interrupted anywhere, share one acquisition that nobody aborts (S104, S117)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            all(tokensOf(yield* callers(world, credentials.token)), "t1")
            all([show(yield* credentials.token)], "t1")
          })
        )
      )
      times(server.begun, 1)
      server.check()
    }))

  it("whoever survives an interrupt storm is served (S120)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { lifetime: 60 })
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            for (let round = 1; round <= 2; round++) {
              all(tokensOf(yield* callers(world, credentials.token, 5)), `t${round}`)
              times(server.begun, round)
              yield* Effect.sleep("60 seconds")
            }
          })
        )
      )
      server.check()
    }))

  it("a stampede at the expiry is one acquisition, and nobody gets the expired token (S105)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { lifetime: 60 })
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            yield* credentials.token
            yield* Effect.sleep("60 seconds")
            all(tokensOf(yield* callers(world, credentials.token)), "t2")
            all([show(yield* credentials.token)], "t2")
          })
        )
      )
      times(server.begun, 2)
      server.check()
    }))

  it("a stampede inside the early-renewal window is one acquisition, and nobody waits for it (S114, S123)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { lifetime: 60 })
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            yield* credentials.token
            yield* Effect.sleep("59 seconds")
            const shown = tokensOf(yield* callers(world, credentials.token))
            ensure(
              shown.every((one) => one === "t1" || one === "t2"),
              shown.join(", ")
            )
            yield* Effect.sleep("1 second")
            all([show(yield* credentials.token)], "t2")
          })
        )
      )
      times(server.begun, 2)
      server.check()
    }))

  it("several callers whose one token was refused share one renewal, whenever they come (S112, S113)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const seen = yield* credentials.token
            const [exits] = yield* Effect.zip(
              callers(world, credentials.renew(seen), 1, 20),
              Effect.zipRight(world.pause(20), Effect.exit(credentials.token)),
              { concurrent: true }
            )
            all(tokensOf(exits), "t2")
          })
        )
      )
      times(server.begun, 2)
      server.check()
    }))

  it("a refused token and an early renewal at the same instant are one acquisition (S112, S114)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { lifetime: 60 })
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const seen = yield* credentials.token
            yield* Effect.sleep("59 seconds")
            const [exits] = yield* Effect.all(
              [
                callers(world, credentials.renew(seen), 1, 20),
                Effect.zipRight(world.pause(20), credentials.token),
                Effect.zipRight(world.pause(20), credentials.maintain)
              ],
              { concurrency: "unbounded" }
            )
            all(tokensOf(exits), "t2")
          })
        )
      )
      times(server.begun, 2)
      server.check()
    }))

  it("callers who need more life than is left share one acquisition (S112)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { lifetime: 60 })
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            yield* credentials.token
            yield* Effect.sleep("30 seconds")
            all(tokensOf(yield* callers(world, credentials.tokenValidFor("50 seconds"), 1, 20)), "t2")
          })
        )
      )
      times(server.begun, 2)
      server.check()
    }))

  it("nothing obtained before a forget is published after it (S307)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            if (world.random() < 0.5) yield* credentials.token
            const seen = yield* credentials.current
            const early = yield* Effect.fork(
              callers(world, Option.isSome(seen) ? credentials.renew(seen.value) : credentials.token)
            )
            yield* world.pause(20)
            // Nothing fails here: the token of the nth acquisition is tn.
            const begun = server.begun
            const check = (token: Token.Token) =>
              ensure(number(token) > begun, `${show(token)} is published, acquisition ${begun} began before forget`)
            yield* credentials.forget
            Option.map(yield* credentials.current, check)
            const watching = yield* Effect.fork(
              Stream.runForEach(credentials.changes, (token) => Effect.sync(() => check(token)))
            )
            for (const exit of yield* callers(world, credentials.token, 0)) {
              ensure(Exit.isSuccess(exit), "a caller failed")
              check(exit.value)
            }
            yield* Fiber.join(early)
            check(yield* credentials.token)
            yield* Fiber.interrupt(watching)
          })
        )
      )
      ensure(
        server.wrong.every((what) => !what.startsWith("two")),
        server.wrong.join(", ")
      )
      ensure(server.aborted === 0, "an acquisition was aborted")
    }))

  it("a revocation reaches what is in the air as well, and nothing of it comes back (S307)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const early = yield* Effect.fork(callers(world, credentials.token))
            yield* world.pause(20)
            yield* credentials.revoke
            const issued = server.issued
            const revoked = Array.from(server.revoked)
            yield* Fiber.join(early)
            const held = yield* credentials.current
            if (Option.isSome(held)) ensure(!revoked.includes(number(held.value)), "a revoked token is held")
            ensure(
              issued <= revoked.length + 1,
              `of ${issued} tokens issued before the end of the revocation only ${revoked.length} were revoked`
            )
            ensure(!revoked.includes(number(yield* credentials.token)), "a revoked token is handed out")
          })
        )
      )
      ensure(server.aborted === 0, "an acquisition was aborted")
    }))

  it("closing the layer ends everybody who waits, and no refresh token is lost (S109)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      const exits = world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const seen = yield* credentials.token
            const waiting = yield* Effect.fork(callers(world, credentials.renew(seen), 1, 12))
            const watching = yield* Effect.fork(Stream.runCollect(credentials.changes))
            const listening = yield* Effect.fork(Stream.runCollect(credentials.events))
            yield* world.pause(20)
            yield* Scope.close(scope, Exit.void)
            yield* Fiber.await(watching)
            yield* Fiber.await(listening)
            return yield* Fiber.join(waiting)
          })
        )
      )
      ensure(exits.length === 5, "somebody is missing")
      ensure(server.inTheAir === 0, "an acquisition outlived the layer")
      server.check()
    }))

  it("closing the layer during a first acquisition ends everybody who waits", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const waiting = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) =>
              Effect.fork(
                Effect.zipRight(world.pause(12), n === 6 ? Effect.asVoid(credentials.maintain) : credentials.token)
              )
            )
            yield* world.pause(20)
            yield* Scope.close(scope, Exit.void)
            yield* Effect.forEach(waiting, Fiber.await)
          })
        )
      )
      ensure(server.inTheAir === 0, "an acquisition outlived the layer")
      ensure(server.wrong.length === 0, server.wrong.join(", "))
    }))

  it("a provider that fails, then succeeds, is asked once at a time, after each pause (S106)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { failures: 1 + world.below(3) })
      const persistent = (token: Effect.Effect<Token.Token, RefreshError>): Effect.Effect<Token.Token> =>
        Effect.catchAll(token, () => Effect.zipRight(world.pause(6), persistent(token)))
      const failures = world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            all(tokensOf(yield* callers(world, persistent(credentials.token))), "t1")
            return server.begun - 1
          })
        )
      )
      server.times.forEach((time, index) => {
        const pause = time - (server.times[index - 1] ?? -Infinity)
        ensure(pause >= 1_000 * 2 ** (index - 1), `acquisition ${index + 1} came ${pause} ms after the one before`)
      })
      ensure(failures <= 3, `${failures} failures`)
      times(server.issued, 1)
      server.check()
    }))

  it("whoever reads changes from any moment on sees the latest token (S144)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        scoped(() =>
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(server.provider)
            const seen = yield* credentials.token
            const renewing = yield* Effect.fork(Effect.zipRight(world.pause(8), credentials.renew(seen)))
            yield* world.pause(30)
            const watched: Array<string> = []
            yield* Effect.fork(
              Stream.runForEach(credentials.changes, (token) => Effect.sync(() => watched.push(show(token))))
            )
            yield* Fiber.await(renewing)
            yield* Effect.sleep("1 second")
            const expected = watched[0] === "t1" ? "t1,t2" : "t2"
            ensure(watched.join() === expected, `${watched.join()} instead of ${expected}`)
          })
        )
      )
      server.check()
    }))
})

const persisted = (world: World, options?: ServerOptions) => {
  const server = rotating(world, options)
  return Object.assign(server, { provider: Provider.persisted(server.provider, "me") })
}

describe("Credentials and a shared store under every order of events", () => {
  it("two credentials that share a store renew once, and never offer a spent refresh token (S112)", () =>
    seeds(count, (world) => {
      const server = persisted(world, { lifetime: 60 })
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope)
            const one = yield* Effect.provide(Credentials.make(server.provider), store)
            const other = yield* Effect.provide(Credentials.make(server.provider), store)
            for (let round = 1; round <= 2; round++) {
              const exits = yield* Effect.zip(callers(world, one.token), callers(world, other.token), {
                concurrent: true
              })
              all(tokensOf(exits.flat()), `t${round}`)
              times(server.begun, round)
              yield* Effect.sleep("60 seconds")
            }
          })
        )
      )
      server.check()
    }))

  it("a renewal is told once, although it comes back through the store", () =>
    seeds(count, (world) => {
      const server = persisted(world, { lifetime: 60 })
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope)
            const credentials = yield* Effect.provide(Credentials.make(server.provider), store)
            const told: Array<string> = []
            yield* Effect.fork(
              Stream.runForEach(credentials.events, (event) =>
                Effect.sync(() => told.push("token" in event ? `${event._tag} ${show(event.token)}` : event._tag))
              )
            )
            yield* Effect.sleep("1 second")
            yield* credentials.token
            yield* Effect.sleep("60 seconds")
            yield* credentials.token
            yield* Effect.sleep("1 second")
            ensure(told.join() === "Acquired t1,Expired t1,Renewed t2", told.join())
          })
        )
      )
      server.check()
    }))

  it("what was forgotten comes back neither from the store nor from a flight (S307)", () =>
    seeds(count, (world) => {
      const server = persisted(world)
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope)
            const credentials = yield* Effect.provide(Credentials.make(server.provider), store)
            if (world.random() < 0.5) yield* credentials.token
            const early = yield* Effect.fork(callers(world, credentials.token, 1, 20))
            yield* world.pause(20)
            const begun = server.begun
            yield* credentials.forget
            yield* Effect.sleep("1 second")
            yield* Fiber.join(early)
            const token = yield* credentials.token
            ensure(number(token) > begun, `${show(token)} is handed out, acquisition ${begun} began before forget`)
          })
        )
      )
      ensure(server.aborted === 0, "an acquisition was aborted")
    }))

  it("what was revoked comes back neither from the store nor from a flight (S307)", () =>
    seeds(count, (world) => {
      const server = persisted(world)
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope)
            const credentials = yield* Effect.provide(Credentials.make(server.provider), store)
            if (world.random() < 0.5) yield* credentials.token
            const early = yield* Effect.fork(callers(world, credentials.token, 1, 20))
            yield* world.pause(20)
            yield* credentials.revoke
            const revoked = Array.from(server.revoked)
            yield* Effect.sleep("1 second")
            yield* Fiber.join(early)
            const token = yield* credentials.token
            ensure(!revoked.includes(number(token)), `the revoked ${show(token)} is handed out`)
          })
        )
      )
      ensure(server.aborted === 0, "an acquisition was aborted")
    }))
})

describe("the lock under every order of events", () => {
  it("one at a time, no turn is lost, and those who were not interrupted get theirs (S117)", () =>
    seeds(count * 2, (world) => {
      const lock = Lock.make()
      const holders = { inTheAir: 0 }
      let entered = 0
      const turn = world.pause(4).pipe(
        alone(() => {
          ensure(holders.inTheAir === 1, "two holders")
          entered++
        }, holders),
        lock
      )
      world.run(
        Effect.gen(function* () {
          const exits = yield* callers(world, turn, 1 + world.below(5), 12)
          ensure(exits.every(Exit.isSuccess), "a turn failed")
          yield* turn
          ensure(holders.inTheAir === 0 && entered >= exits.length + 1, "a turn was lost")
        })
      )
    }))

  it("turns are taken in the order in which they were asked for", () =>
    seeds(count, (world) => {
      const lock = Lock.make()
      const order: Array<number> = []
      world.run(
        Effect.gen(function* () {
          const fibers = yield* lock(
            Effect.gen(function* () {
              const waiting: Array<Fiber.RuntimeFiber<void>> = []
              for (let n = 1; n <= 5; n++) {
                waiting.push(yield* Effect.fork(lock(Effect.sync(() => void order.push(n)))))
                yield* Effect.sleep("1 second")
              }
              yield* Fiber.interrupt(waiting[world.below(5)]!)
              return waiting
            })
          )
          yield* Effect.forEach(fibers, Fiber.await)
        })
      )
      ensure(order.length === 4 && order.every((n, index) => index === 0 || n > order[index - 1]!), order.join())
    }))

  it("a turn that fails, dies or is interrupted passes the lock on", () =>
    seeds(count, (world) => {
      const lock = Lock.make()
      world.run(
        Effect.gen(function* () {
          const ends: ReadonlyArray<Effect.Effect<void, string>> = [
            Effect.fail("refused"),
            Effect.die("broken"),
            Effect.interrupt,
            Effect.never
          ]
          const fibers = yield* Effect.forEach(ends, (end) => Effect.fork(lock(Effect.zipRight(world.pause(4), end))))
          yield* world.pause(12)
          yield* Fiber.interrupt(fibers[3]!)
          yield* Effect.forEach(fibers, Fiber.await)
          yield* lock(Effect.void)
        })
      )
    }))
})

describe("TokenStore.layerMemory under every order of events", () => {
  const numbered = (n: number) => Token.make({ accessToken: Redacted.make(`t${n}`), issuedAt: DateTime.unsafeMake(0) })

  it("transactions never overlap, never lose an update and never lose a turn to an interruption (S117)", () =>
    seeds(count, (world) => {
      const holders = { inTheAir: 0 }
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope).pipe(
              Effect.flatMap((context) => Effect.provide(TokenStore.TokenStore, context))
            )
            const next = (stored: Option.Option<Token.Token>) =>
              world.pause(4).pipe(
                Effect.as(
                  Option.some(numbered(Option.match(stored, { onNone: () => 1, onSome: (token) => number(token) + 1 })))
                ),
                alone(() => ensure(holders.inTheAir === 1, "two transactions at once"), holders)
              )
            const count = Effect.map(store.transaction("key", next), Option.getOrThrow)
            const exits = yield* callers(world, count, 1 + world.below(4), 12)
            ensure(exits.every(Exit.isSuccess), "a transaction failed")
            const numbers = tokensOf(exits).map((shown) => Number(shown.slice(1)))
            ensure(new Set(numbers).size === numbers.length, `two wrote the same: ${numbers.join()}`)
            const before = Option.getOrThrow(yield* store.get("key"))
            ensure(number(before) >= Math.max(...numbers), "an update was lost")
            all([show(yield* count)], `t${number(before) + 1}`)
          })
        )
      )
    }))

  it("a removal waits for the transaction that runs, and nothing removed comes back (S307)", () =>
    seeds(count, (world) => {
      world.run(
        scoped((scope) =>
          Effect.gen(function* () {
            const store = yield* Layer.buildWithScope(TokenStore.layerMemory(), scope).pipe(
              Effect.flatMap((context) => Effect.provide(TokenStore.TokenStore, context))
            )
            let running = false
            const transaction = store.transaction("key", () =>
              Effect.gen(function* () {
                running = true
                yield* world.pause(6)
                return Option.some(numbered(1))
              }).pipe(Effect.ensuring(Effect.sync(() => (running = false))))
            )
            const fiber = yield* Effect.fork(transaction)
            yield* world.pause(10)
            const wasRunning = running
            yield* store.remove("key")
            if (wasRunning) {
              ensure(fiber.unsafePoll() !== null || !running, "a removal overtook a transaction")
              ensure(Option.isNone(yield* store.get("key")), "what was removed is back")
            }
            yield* Fiber.await(fiber)
          })
        )
      )
    }))
})
