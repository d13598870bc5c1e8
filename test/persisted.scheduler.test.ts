/**
 * Persisted credentials under a scheduler that runs fibers in random order: whatever is interrupted, and whenever, the refresh token that the server accepts next is
 * kept.
 */
import { describe, it as test } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Credentials from "../src/Credentials.ts"
import { RefreshError } from "../src/CredentialsError.ts"
import * as Spending from "../src/internal/spending.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import * as FailingStore from "./support/failingStore.ts"
import { seeds, type World } from "./support/SeededScheduler.ts"

const count = Number(process.env["SEEDS"] ?? 100)

const it = (sentence: string, body: () => void) => test(sentence, body, 60_000)

function ensure(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

const key = "me"

const refreshTokenOf = (token: Token.Token): string =>
  Option.match(token.refreshToken, { onNone: () => "none", onSome: Redacted.value })

interface ServerOptions {
  /** How often the server does not answer in time for anything to happen, 0 to 1. Default: never. */
  readonly fails?: number
  /** How long an answer may take at most, in milliseconds. Default: no time. */
  readonly slow?: number
  readonly timeLimit?: Duration.Duration
}

/** A server that rotates refresh tokens, and says as a token endpoint does when one is sent. */
const rotating = (world: World, options: ServerOptions = {}) => {
  const self = { sent: 0, expected: "r0", spent: new Set<string>(), wrong: [] as Array<string>, inTheAir: 0 }
  const takes = () => Effect.suspend(() => Effect.sleep(world.below((options.slow ?? 0) + 1)))
  const refresh = (refreshToken: Redacted.Redacted) =>
    Effect.gen(function* () {
      yield* Spending.exact(true)
      yield* world.pause(4)
      const issuedAt = yield* DateTime.now
      return yield* Provider.spending(
        Effect.gen(function* () {
          self.sent++
          self.inTheAir++
          if (self.inTheAir > 1) self.wrong.push("two requests at once")
          if (options.slow !== undefined) yield* takes()
          yield* world.pause(4)
          if (world.random() < (options.fails ?? 0)) {
            return yield* new RefreshError({ provider: "Rotating", reason: { _tag: "Unavailable", status: 503 } })
          }
          // From here on the server has done its part.
          const offered = Redacted.value(refreshToken)
          if (self.spent.has(offered)) self.wrong.push(`${offered} was offered again`)
          self.spent.add(offered)
          self.expected = `r${self.spent.size}`
          if (options.slow !== undefined) yield* takes()
          yield* world.pause(4)
          return Token.make({
            accessToken: Redacted.make(`t${self.spent.size}`),
            issuedAt,
            expiresAt: Option.some(DateTime.add(issuedAt, { seconds: 60 })),
            refreshToken: Option.some(Redacted.make(self.expected))
          })
        }).pipe(Effect.ensuring(Effect.sync(() => self.inTheAir--)))
      )
    })
  const provider = Provider.make({
    name: "Rotating",
    ...(options.timeLimit === undefined ? {} : { timeLimit: options.timeLimit }),
    acquire: () => new RefreshError({ provider: "Rotating", reason: { _tag: "Interaction", kind: "Forbidden" } })
  }).pipe(Provider.refreshable(refresh))
  return Object.assign(self, { provider, check: () => ensure(self.wrong.length === 0, self.wrong.join()) })
}

const before: Token.Token = Token.make({
  accessToken: Redacted.make("t0"),
  issuedAt: DateTime.unsafeMake(0),
  expiresAt: Option.some(DateTime.unsafeMake(1)),
  refreshToken: Option.some(Redacted.make("r0"))
})

const need: Provider.Need = { previous: Option.some(before), validFor: Duration.zero, interaction: "forbidden" }

const memory = Effect.map(Effect.scoped(Layer.build(TokenStore.layerMemory())), (context) =>
  Context.get(context, TokenStore.TokenStore)
)

const stored = (store: TokenStore.TokenStore) =>
  Effect.map(Effect.orDie(store.get(key)), (token) => refreshTokenOf(Option.getOrThrow(token)))

const filled = Effect.tap(memory, (store) => Effect.orDie(store.transaction(key, () => Effect.succeedSome(before))))

describe("Provider.persisted under every order of events", () => {
  it("an acquisition that is interrupted at any step leaves the refresh token that is accepted next in the store (S151)", async () => {
    const seen = { nothing: 0, everything: 0 }
    await seeds(count * 2, (world) => {
      const server = rotating(world)
      world.run(
        Effect.gen(function* () {
          const store = yield* filled
          const running = yield* Effect.fork(
            Provider.persisted(server.provider, key)
              .acquire(need)
              .pipe(Effect.provideService(TokenStore.TokenStore, store))
          )
          yield* world.pause(40)
          const wasRunning = running.unsafePoll() === null
          yield* Fiber.interrupt(running)
          ensure(
            (yield* stored(store)) === server.expected,
            `${yield* stored(store)} is stored, not ${server.expected}`
          )
          if (wasRunning) seen[server.sent === 0 ? "nothing" : "everything"]++
        })
      )
      ensure(server.inTheAir === 0, "something still runs")
      server.check()
    })
    ensure(seen.nothing > 20 && seen.everything > 20, `the interruptions came at ${JSON.stringify(seen)}`)
  })

  it("the end of a layer waits for what was sent, and for it to be stored, and for nothing else (S109, S152)", async () => {
    const seen = { nothing: 0, everything: 0 }
    await seeds(count, (world) => {
      const server = rotating(world)
      world.run(
        Effect.gen(function* () {
          const store = yield* filled
          const scope = yield* Scope.make()
          const credentials = yield* Credentials.make(Provider.persisted(server.provider, key)).pipe(
            Effect.provideService(TokenStore.TokenStore, store),
            Effect.provideService(Scope.Scope, scope)
          )
          const caller = yield* Effect.fork(credentials.token)
          yield* world.pause(world.random() < 0.7 ? 5 : 40)
          const wasRunning = caller.unsafePoll() === null
          yield* Scope.close(scope, Exit.void)
          ensure((yield* stored(store)) === server.expected, "the refresh token is lost")
          yield* Fiber.await(caller)
          if (wasRunning) seen[server.sent === 0 ? "nothing" : "everything"]++
        })
      )
      ensure(server.inTheAir === 0, "something still runs")
      server.check()
    })
    ensure(seen.nothing > 5 && seen.everything > 5, `the ends came at ${JSON.stringify(seen)}`)
  })

  it("the end of a layer does not wait for the lock that a renewal waits for (S152)", () =>
    seeds(count / 4, (world) => {
      const server = rotating(world)
      world.run(
        Effect.gen(function* () {
          const store = yield* filled
          const scope = yield* Scope.make()
          const credentials = yield* Credentials.make(Provider.persisted(server.provider, key)).pipe(
            Effect.provideService(TokenStore.TokenStore, store),
            Effect.provideService(Scope.Scope, scope)
          )
          const held = yield* credentials.token
          const somebody = yield* Effect.fork(store.transaction(key, () => Effect.never))
          yield* Effect.sleep("1 second")
          const caller = yield* Effect.fork(credentials.renew(held))
          yield* Effect.sleep("1 second")
          yield* Scope.close(scope, Exit.void)
          yield* Fiber.await(caller)
          yield* Fiber.interrupt(somebody)
        })
      )
      ensure(server.sent === 1, "something was sent")
      server.check()
    }))

  it("without a store the memory takes what was sent before the end of the layer, or the time limit (S109, S151)", async () => {
    let late = 0
    await seeds(count, (world) => {
      const server = rotating(world, { slow: 2_000, timeLimit: Duration.seconds(1) })
      world.run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const provider = Provider.make({
            ...server.provider,
            acquire: (need) => (Option.isNone(need.previous) ? Effect.succeed(before) : server.provider.acquire(need))
          })
          const credentials = yield* Effect.provideService(Credentials.make(provider), Scope.Scope, scope)
          yield* credentials.token
          const since = world.now().mono
          const caller = yield* Effect.fork(Effect.exit(credentials.renew(before)))
          if (world.random() < 0.5) {
            yield* Effect.sleep(world.below(3_000))
            yield* world.pause(20)
          } else {
            yield* Fiber.join(caller)
            if (world.now().mono - since > 1_000) late++
          }
          yield* Scope.close(scope, Exit.void)
          const held = Option.getOrThrow(yield* credentials.current)
          ensure(refreshTokenOf(held) === server.expected, `${refreshTokenOf(held)} is held, not ${server.expected}`)
        })
      )
      server.check()
    })
    ensure(late > 10, "no answer came after the time limit")
  })

  it("several programs that share a store spend each refresh token once, whatever is interrupted and restarted (S145, S146)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { fails: 0.2, slow: 300 })
      const provider = Provider.persisted(server.provider, key)
      world.run(
        Effect.gen(function* () {
          const store = yield* filled
          const start = Effect.gen(function* () {
            const scope = yield* Scope.make()
            const credentials = yield* Credentials.make(provider).pipe(
              Effect.provideService(TokenStore.TokenStore, store),
              Effect.provideService(Scope.Scope, scope)
            )
            return { scope, credentials }
          })
          const programs = [yield* start, yield* start, yield* start]
          for (let round = 0; round < 12; round++) {
            const n = world.below(3)
            const { credentials, scope } = programs[n]!
            const what = world.random()
            const sentBefore = server.spent.size
            if (what < 0.5) {
              const callers = yield* Effect.forEach(programs, ({ credentials }) =>
                Effect.fork(Effect.exit(credentials.token))
              )
              yield* world.pause(20)
              yield* Fiber.interruptFork(callers[world.below(3)]!)
              if (world.random() < 0.5) yield* Effect.forEach(callers, Fiber.await)
              ensure(server.spent.size <= sentBefore + 2, "more renewals than expiries")
            } else if (what < 0.7) {
              const held = yield* credentials.current
              if (Option.isSome(held)) yield* Effect.fork(Effect.exit(credentials.renew(held.value)))
            } else if (what < 0.85) {
              yield* Effect.fork(Scope.close(scope, Exit.void))
              yield* world.pause(20)
              programs[n] = yield* start
            } else {
              yield* Effect.sleep(Duration.seconds(world.below(90)))
            }
          }
          yield* Effect.forEach(programs, ({ scope }) => Scope.close(scope, Exit.void))
          yield* Effect.sleep("1 minute")
          ensure((yield* stored(store)) === server.expected, "the refresh token is lost")
        })
      )
      server.check()
    }))

  it("a generation is renewed by one request, however many programs wait for it (S145, S146)", () =>
    seeds(count, (world) => {
      const server = rotating(world, { slow: 300 })
      const provider = Provider.persisted(server.provider, key)
      world.run(
        Effect.scoped(
          Effect.gen(function* () {
            const store = yield* filled
            const programs = yield* Effect.forEach([1, 2, 3, 4], () =>
              Effect.provideService(Credentials.make(provider), TokenStore.TokenStore, store)
            )
            for (let generation = 1; generation <= 3; generation++) {
              yield* Effect.forEach(programs, ({ token }) => token, { concurrency: "unbounded" })
              ensure(server.sent === generation, `${server.sent} requests for ${generation} tokens`)
              yield* Effect.sleep("60 seconds")
            }
          })
        )
      )
      server.check()
    }))

  it("a store that fails to write at random loses no refresh token of the one program that uses it (S150)", () =>
    seeds(count, (world) => {
      const server = rotating(world)
      const store = FailingStore.make()
      store.poke(key, before)
      const provider = Provider.persisted(server.provider, key)
      world.run(
        Effect.scoped(
          Effect.gen(function* () {
            const credentials = yield* Credentials.make(provider)
            for (let round = 0; round < 8; round++) {
              store.writing = world.random() < 0.5 ? "Unavailable" : undefined
              const caller = yield* Effect.fork(credentials.token)
              yield* Effect.sleep(Duration.seconds(world.below(70)))
              const exit = yield* Fiber.await(caller)
              ensure(Exit.isSuccess(exit), `a caller failed: ${exit}`)
            }
            store.writing = undefined
            yield* Effect.sleep("5 minutes")
          })
        ).pipe(Effect.provide(store.layer))
      )
      ensure(
        Option.exists(store.peek(key), (token) => refreshTokenOf(token) === server.expected),
        "the refresh token is lost"
      )
      server.check()
    }))
})
