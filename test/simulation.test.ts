/**
 * Programs that share a store, an authorization server and an API, in a world whose accidents follow from a seed: answers that are slow or lost, servers
 * that are down, disks that fail, machines that sleep, clocks that are set, programs that are closed or killed between any two steps. More seeds by
 * `WORLDS`; a failure names its seed, and `seeds(count, body, seed)` runs it again.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Headers from "@effect/platform/Headers"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import { TokenStoreError } from "../src/CredentialsError.ts"
import * as MemoryResponse from "../src/internal/memoryResponse.ts"
import * as Provider from "../src/Provider.ts"
import * as RefreshToken from "../src/providers/RefreshToken.ts"
import type * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { type Process, seeds, type World } from "./support/SeededScheduler.ts"

const count = Number(process.env["WORLDS"] ?? 60)

const ensure = (condition: boolean, message: () => string) => {
  if (!condition) throw new Error(message())
}

/** How often something goes wrong, 0 to 1. */
interface Faults {
  down: number
  lost: number
  slow: number
  disk: number
}

const none: Faults = { down: 0, lost: 0, slow: 0, disk: 0 }

const lifetime = 600

/** A disk that programs share, with a lock that ends with its holder. */
const disk = (world: World, faults: Faults) => {
  let record: Token.Token | undefined
  let holder: Process | undefined
  let waiting: Array<{ readonly of: Process; readonly go: () => void }> = []
  const written = Effect.runSync(PubSub.sliding<Token.Token>(64))
  const fails = (operation: "get" | "remove" | "transaction") =>
    Effect.suspend(() =>
      world.random() < faults.disk
        ? Effect.fail(new TokenStoreError({ operation, key: "me", reason: "Unavailable", description: "EIO" }))
        : Effect.void
    )
  const next = () => {
    holder = undefined
    waiting = waiting.filter(({ of }) => of.isAlive())
    const first = waiting.shift()
    holder = first?.of
    first?.go()
  }
  const locked = <A, E, R>(of: Process, effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.interruptible(
        Effect.async<void>((resume) => {
          if (holder === undefined) {
            holder = of
            return resume(Effect.void)
          }
          const mine = { of, go: () => resume(Effect.void) }
          waiting.push(mine)
          return Effect.sync(() => {
            if (waiting.includes(mine)) waiting = waiting.filter((other) => other !== mine)
            else next()
          })
        })
      ).pipe(
        Effect.timeoutFail({
          duration: "35 seconds",
          onTimeout: () =>
            new TokenStoreError({ operation: "transaction", key: "me", reason: "LockTimeout", description: "held" })
        })
      ),
      () => effect,
      () => Effect.sync(next)
    )
  const storeOf = (of: Process): TokenStore.TokenStore => ({
    get: () => Effect.as(Effect.zipRight(world.pause(3), fails("get")), Option.fromNullable(record)),
    list: Effect.succeed(["me"]),
    remove: () =>
      locked(
        of,
        Effect.map(fails("remove"), () => void (record = undefined))
      ),
    transaction: (_, f) =>
      locked(
        of,
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            yield* world.pause(3)
            yield* fails("transaction")
            const before = Option.fromNullable(record)
            const after = yield* restore(f(before))
            if (Option.isSome(after) && Option.contains(before, after.value)) return after
            yield* world.pause(6)
            yield* fails("transaction")
            record = Option.getOrUndefined(after)
            yield* world.pause(3)
            if (Option.isSome(after)) yield* PubSub.publish(written, after.value)
            return after
          })
        )
      ),
    changes: () => Stream.fromPubSub(written)
  })
  return {
    storeOf,
    stored: () => record,
    /** What the operating system does for one that is killed. */
    freed: (of: Process) => {
      if (holder === of) next()
    }
  }
}

/** A server that rotates refresh tokens and detects reuse; with a window, the youngest answer can be had again until it was used. */
const authorization = (world: World, faults: Faults, hasWindow: boolean) => {
  const isDiskSound = faults.disk === 0
  let generation = 0
  let isRevoked = false
  const wrong: Array<string> = []
  const expiries = new Map<string, number>()
  const inTheAir = new Set<Process>()
  /** Who was sent the youngest answer, and whether he has it. */
  let receiver: { readonly of: Process; has: boolean } | undefined

  const answer = (of: Process, request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function* () {
      const lose = Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", description: "reset" }))
      const respond = (status: number, body: object) =>
        MemoryResponse.make(request, {
          status,
          headers: Headers.fromInput({ "content-type": "application/json" }),
          text: JSON.stringify(body),
          isCutOff: false
        })
      const text = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const offered = Number(/^r(\d+)$/.exec(new URLSearchParams(text).get("refresh_token") ?? "")?.[1])
      // While a disk fails, each goes on with what it has in memory, and nobody else can know of that.
      if (isDiskSound && Array.from(inTheAir).some((other) => other.isAlive())) wrong.push("two token requests at once")
      inTheAir.add(of)
      // What takes longer than ten seconds is as good as lost.
      const slow = () =>
        world.random() < faults.slow ? Effect.sleep(world.below(faults.lost > 0 ? 15_000 : 4_900)) : world.pause(4)
      return yield* Effect.gen(function* () {
        yield* slow()
        if (world.random() < faults.down) return respond(503, {})
        if (world.random() < faults.lost / 2) return yield* lose
        const isAgain = offered === generation - 1
        if (isAgain && receiver?.of.isAlive() === true && receiver.has && isDiskSound) {
          wrong.push(`r${offered} was offered again, although a living program has r${generation}`)
        }
        if (isRevoked || !(offered === generation || (isAgain && hasWindow))) {
          isRevoked = true
          return respond(400, { error: "invalid_grant" })
        }
        if (offered === generation) generation++
        const mine = { of, has: false }
        receiver = mine
        expiries.set(`t${generation}`, world.now().mono + lifetime * 1000)
        const issued = { access_token: `t${generation}`, refresh_token: `r${generation}` }
        yield* slow()
        if (world.random() < faults.lost) return yield* lose
        mine.has = true
        return respond(200, { ...issued, token_type: "bearer", expires_in: lifetime })
      }).pipe(Effect.ensuring(Effect.sync(() => inTheAir.delete(of))))
    })

  return {
    wrong,
    isRevoked: () => isRevoked,
    youngest: () => `r${generation}`,
    clientOf: (of: Process): HttpClient.HttpClient =>
      HttpClient.make((request, url) => {
        if (url.hostname === "id.test") return answer(of, request)
        return Effect.gen(function* () {
          yield* world.pause(4)
          const token = (request.headers["authorization"] ?? "").slice("Bearer ".length)
          const expiry = expiries.get(token)
          const status = expiry === undefined || isRevoked || expiry <= world.now().mono ? 401 : 200
          const headers = Headers.fromInput({ "www-authenticate": "Bearer" })
          return MemoryResponse.make(request, { status, headers, text: "{}", isCutOff: false })
        })
      })
  }
}

interface Program {
  readonly of: Process
  readonly scope: Scope.CloseableScope
  readonly credentials: Credentials.Credentials
  readonly client: AuthenticatedHttpClient.AuthenticatedHttpClient
}

const simulate = (world: World) => {
  const faults: Faults = {
    down: world.random() < 0.5 ? 0.3 : 0,
    lost: world.random() < 0.4 ? 0.2 : 0,
    slow: world.random() < 0.6 ? 0.5 : 0,
    disk: world.random() < 0.3 ? 0.2 : 0
  }
  const hasWindow = world.random() < 0.6
  const isViolent = world.random() < 0.6
  const hasSteps = world.random() < 0.4
  const place = disk(world, faults)
  const server = authorization(world, faults, hasWindow)
  /** What no client can make good: the server does not repeat what was lost, or the disk did not take what others would have needed. */
  const mayLose = (!hasWindow && (isViolent || faults.lost > 0)) || faults.disk > 0
  const callers: Array<{ readonly of: Process; readonly fiber: Fiber.RuntimeFiber<unknown, unknown> }> = []

  const start = (): Program => {
    const of = world.process()
    const scope = Effect.runSync(Scope.make())
    const client = server.clientOf(of)
    const fiber = of.fork(
      Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          RefreshToken.make({ tokenEndpoint: "https://id.test/token", clientId: "me", refreshToken: "r0" }).pipe(
            Provider.persisted({ key: "me" })
          )
        )
        const authenticated = yield* AuthenticatedHttpClient.make(client, credentials, {
          origins: ["https://api.test"]
        })
        return { of, scope, credentials, client: authenticated }
      }).pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.provide(
          Layer.merge(
            Layer.succeed(HttpClient.HttpClient, client),
            Layer.succeed(TokenStore.TokenStore, place.storeOf(of))
          )
        )
      )
    )
    world.settle()
    const exit = fiber.unsafePoll()
    if (exit === null || Exit.isFailure(exit)) throw new Error(`a program does not start: ${exit}`)
    return exit.value
  }

  const call = ({ client, credentials, of }: Program) => {
    const token = Effect.tap(credentials.token, (token) =>
      Effect.sync(() => {
        const expiresAt = Option.match(token.expiresAt, { onNone: () => Infinity, onSome: DateTime.toEpochMillis })
        ensure(expiresAt > world.now().wall, () => "an expired token was handed out")
      })
    )
    const request = client.execute(HttpClientRequest.get("https://api.test/items"))
    const fiber = of.fork<unknown, unknown>(world.random() < 0.5 ? token : request)
    callers.push({ of, fiber })
    return fiber
  }

  let programs = [start(), start(), start()]
  const choose = () => programs[world.below(programs.length)]!
  for (let round = 0; round < 25; round++) {
    const what = world.random()
    const one = choose()
    if (what < 0.45) programs.forEach((program) => world.random() < 0.7 && call(program))
    else if (what < 0.55) {
      const fiber = call(one)
      world.advance(world.below(20))
      one.of.fork(Fiber.interrupt(fiber))
    } else if (what < 0.65) {
      one.of.fork(
        Effect.flatMap(one.credentials.current, (held) =>
          Option.isSome(held) ? Effect.ignore(one.credentials.renew(held.value)) : Effect.void
        )
      )
    } else if (what < 0.75) {
      if (isViolent) {
        // Anywhere: time stands still for whoever waits for nothing but its turn.
        call(one)
        world.advance(world.below(4) === 0 ? world.below(12_000) : 0)
        one.of.kill()
        place.freed(one.of)
      } else one.of.fork(Scope.close(one.scope, Exit.void))
      programs = [...programs.filter((other) => other !== one), start()]
    } else if (what < 0.8 && hasSteps) {
      // Between a look at the clock and what follows from it, nothing can be known.
      world.settle()
      world.jump(world.below(2) === 0 ? world.below(7_200_000) : -world.below(600_000))
    } else {
      const isLong = world.below(2) === 0
      world.advance(isLong ? world.below(lifetime * 1_000) : world.below(10_000))
    }
    if (world.below(3) > 0) world.settle()
  }

  // The weather clears up: whoever waits must get something, and what is in memory must get to the disk.
  Object.assign(faults, none)
  world.advance(30 * 60_000)
  ensure(server.wrong.length === 0, () => server.wrong.join())
  for (const { fiber, of } of callers) {
    const exit = fiber.unsafePoll()
    ensure(!of.isAlive() || exit !== null, () => "somebody waits for ever")
    ensure(exit === null || !exit.toString().includes('"Die"'), () => `a defect: ${exit}`)
  }
  const last = programs.map((program) => program.of.fork(program.credentials.token))
  world.advance(10 * 60_000)
  const exits = last.map((fiber) => fiber.unsafePoll())
  ensure(!exits.includes(null), () => "somebody waits for ever")
  if (server.isRevoked()) {
    ensure(mayLose, () => "the login is lost")
    const isTold = exits.some((exit) => exit?.toString().includes("invalid_grant"))
    ensure(isTold, () => "the login is lost, and nobody is told")
  } else {
    const failed = exits.find((exit) => exit !== null && Exit.isFailure(exit))
    ensure(failed === undefined, () => `no token in fair weather: ${failed}`)
    const stored = place.stored()?.refreshToken ?? Option.none()
    ensure(
      Option.exists(stored, (refreshToken) => Redacted.value(refreshToken) === server.youngest()),
      () => `the store does not hold ${server.youngest()}`
    )
  }
  for (const { of, scope } of programs) {
    const closing = of.fork(Scope.close(scope, Exit.void))
    world.advance(Duration.toMillis("1 minute"))
    ensure(closing.unsafePoll() !== null, () => "a program does not end")
    ensure(of.timers() === 0, () => `${of.timers()} timers are left`)
  }
  return server.isRevoked()
}

describe("programs that share a login", () => {
  it("renew once, hand out nothing that is over, lose nothing, and leave nothing behind, whatever happens (S112, S145, S151)", async () => {
    let lost = 0
    await seeds(count, (world) => {
      if (simulate(world)) lost++
    })
    // What cannot be made good does happen in this world, but not often.
    ensure(lost > 0 && lost < count / 4, () => `${lost} of ${count} logins were lost`)
  }, 1_200_000)
})
