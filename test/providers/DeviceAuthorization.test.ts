import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { execFile } from "node:child_process"
import { decide, type DeviceServer, deviceServer } from "../../examples/support/deviceServer.ts"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as Credentials from "../../src/Credentials.ts"
import type { RefreshError } from "../../src/CredentialsError.ts"
import type * as Provider from "../../src/Provider.ts"
import * as DeviceAuthorization from "../../src/providers/DeviceAuthorization.ts"
import * as Testing from "../../src/Testing.ts"
import type { Token } from "../../src/Token.ts"
import * as FakeServer from "../support/FakeServer.ts"
import * as HybridClock from "../support/HybridClock.ts"
import { observe, scanner } from "../support/LeakScanner.ts"
import { show } from "../support/engine.ts"
import * as Program from "../support/program.ts"
import { contract } from "./contract.ts"

const deviceCode = "c4nary-device-code"
const grantType = "urn:ietf:params:oauth:grant-type:device_code"

const codes = {
  device_code: deviceCode,
  user_code: "WDJB-MJHT",
  verification_uri: "https://id.test/device",
  verification_uri_complete: "https://id.test/device?user_code=WDJB-MJHT",
  expires_in: 60,
  interval: 5
}

const options = {
  tokenEndpoint: "https://id.test/token",
  deviceAuthorizationEndpoint: "https://id.test/device_authorization",
  clientId: "my-tool",
  prompt: () => Effect.void
}

const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }

const refused = (error: string, more: object = {}, status = 400): FakeServer.Answer => ({
  status,
  json: { error, ...more }
})
const pending = refused("authorization_pending")
const slowDown = refused("slow_down")
const approved: FakeServer.Answer = { json: { access_token: "a1", token_type: "Bearer", refresh_token: "r1" } }
const reset: FakeServer.Answer = {
  lost: new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNRESET" }) })
}

/** A server that answers the polls by a script, its last line for ever, and remembers when it was polled. */
const scripted = (polls: ReadonlyArray<FakeServer.Answer>, start: object = {}) => {
  const at: Array<number> = []
  const server = FakeServer.make((seen) => {
    if (seen.url === options.deviceAuthorizationEndpoint) return { json: { ...codes, ...start } }
    if (seen.url !== options.tokenEndpoint) return undefined
    assert.deepStrictEqual(Object.fromEntries(seen.form), {
      grant_type: grantType,
      device_code: deviceCode,
      client_id: "my-tool"
    })
    at.push(seen.at / 1000)
    return polls[Math.min(at.length, polls.length) - 1]
  })
  return { ...server, polledAt: at }
}

const acquire = <R = never>(
  more: Partial<DeviceAuthorization.Options<R>> = {},
  need: Provider.Need = first
): Effect.Effect<Token, RefreshError, HttpClient.HttpClient | R> =>
  DeviceAuthorization.make({ ...options, ...more } as DeviceAuthorization.Options<R>).acquire(need)

/** Runs the login to its end, and says when in seconds that was. */
const played = <R>(login: Effect.Effect<Token, RefreshError, R>, seconds = 2_000) =>
  Effect.gen(function* () {
    let endedAt = -1
    const fiber = yield* Effect.fork(
      Effect.onExit(login, () =>
        Effect.clockWith((clock) => Effect.sync(() => void (endedAt = clock.unsafeCurrentTimeMillis() / 1000)))
      )
    )
    yield* TestClock.adjust(Duration.seconds(seconds))
    return { exit: yield* Fiber.await(fiber), endedAt }
  })

const reasonOf = (exit: Exit.Exit<unknown, RefreshError>) =>
  Exit.isFailure(exit) ? Option.getOrThrow(Cause.failureOption(exit.cause)).reason : assert.fail("it did not fail")

/** A server that issues tokens by the rules, once `approve` was called. */
const real = (more: Testing.Options = {}, start: object = {}) => {
  let isApproved = true
  const devices: Array<Testing.SeenRequest> = []
  const server = Testing.authorizationServer({
    clients: [{ clientId: "my-tool", clientSecret: "c4nary-secret" }],
    metadata: { device_authorization_endpoint: "https://id.test/device_authorization" },
    grants: {
      [grantType]: (request, issue) =>
        request.parameters["device_code"] !== deviceCode
          ? Effect.succeed(Testing.refuse("invalid_grant"))
          : isApproved
            ? issue({ subject: "ada", scope: devices.at(-1)?.parameters["scope"]?.split(" ") })
            : Effect.succeed(Testing.refuse("authorization_pending"))
    },
    routes: (request) => {
      if (request.url !== "https://id.test/device_authorization") return undefined
      devices.push(request)
      return Effect.succeed({ json: { ...codes, ...start } })
    },
    ...more
  })
  return {
    ...server,
    devices,
    approve: (yes: boolean) => void (isApproved = yes),
    options: {
      issuer: server.issuer,
      clientId: "my-tool",
      clientSecret: "c4nary-secret",
      prompt: () => Effect.void,
      pollAtOnce: true
    }
  }
}

describe("DeviceAuthorization", () => {
  const server = real()
  contract<HttpClient.HttpClient>({
    name: "DeviceAuthorization",
    make: () => DeviceAuthorization.make(server.options),
    failing: () => DeviceAuthorization.make({ ...server.options, clientSecret: "c4nary-wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })
})

describe("polls come at exactly these seconds:", () => {
  const table: ReadonlyArray<{
    readonly name: string
    readonly polls: ReadonlyArray<FakeServer.Answer>
    readonly start?: object
    readonly more?: object
    readonly at: ReadonlyArray<number>
  }> = [
    { name: "one interval before the first (S241)", polls: [approved], at: [5] },
    {
      name: "the first at once, if that is wanted",
      polls: [pending, approved],
      more: { pollAtOnce: true },
      at: [0, 5]
    },
    { name: "pending keeps the interval (S230)", polls: [pending, pending, pending, approved], at: [5, 10, 15, 20] },
    {
      name: "slow_down adds 5 s for all later polls (S230)",
      polls: [pending, slowDown, pending, slowDown, approved],
      at: [5, 10, 20, 30, 45]
    },
    { name: "no interval is 5 s (S230)", polls: [pending, approved], start: { interval: undefined }, at: [5, 10] },
    { name: "an interval of the server's (S230)", polls: [pending, approved], start: { interval: 7 }, at: [7, 14] },
    { name: "an interval of 0 is 1 s (S230)", polls: [pending, approved], start: { interval: 0 }, at: [1, 2] },
    { name: "a negative interval is 1 s (S230)", polls: [pending, approved], start: { interval: -5 }, at: [1, 2] },
    { name: "an interval in a string (S230)", polls: [pending, approved], start: { interval: "3" }, at: [3, 6] },
    {
      name: "a huge interval is a minute (S230)",
      polls: [pending, approved],
      start: { interval: 1e9, expires_in: 900 },
      at: [60, 120]
    },
    {
      name: "GitHub's interval in slow_down (S236)",
      polls: [pending, refused("slow_down", { interval: 15 }, 200), pending, approved],
      at: [5, 10, 25, 40]
    },
    {
      name: "Auth0's statuses 403 and 429",
      polls: [refused("authorization_pending", {}, 403), refused("slow_down", {}, 429), pending, approved],
      at: [5, 10, 20, 30]
    },
    {
      name: "a connection that breaks doubles the interval (S232)",
      polls: [pending, reset, reset, pending, approved],
      start: { expires_in: 900 },
      at: [5, 10, 20, 40, 60]
    },
    {
      name: "no answer in 10 s doubles the interval (S232)",
      polls: ["never", pending, approved],
      start: { expires_in: 900 },
      at: [5, 25, 35]
    },
    {
      name: "and never beyond a minute (S232)",
      polls: [reset, reset, reset, reset, reset, approved],
      start: { expires_in: 900 },
      at: [5, 15, 35, 75, 135, 195]
    },
    {
      name: "5xx waits one interval (S233)",
      polls: [{ status: 500 }, { status: 502 }, { status: 503 }, { status: 504 }, approved],
      at: [5, 10, 15, 20, 25]
    },
    {
      name: "Retry-After, if it is longer, and once (S233)",
      polls: [
        { status: 429, headers: { "retry-after": "20" } },
        { status: 503, headers: { "retry-after": "2" } },
        pending,
        approved
      ],
      at: [5, 25, 30, 35]
    },
    {
      name: "slow_down again and again: the clock here is fast (S235)",
      polls: [slowDown, slowDown, slowDown, pending, approved],
      start: { expires_in: 900 },
      at: [5, 15, 33, 61, 89]
    }
  ]

  // Not "$name": of that a title shows forty characters, and the ids stand at the end.
  it.effect.each(table.map((each) => [each.name, each] as const))("%s", ([, { at, more, polls, start }]) =>
    Effect.gen(function* () {
      const server = scripted(polls, start)
      const { exit } = yield* played(Effect.provide(acquire(more), server.layer))
      assert.strictEqual(show(Exit.isSuccess(exit) ? exit.value : assert.fail(String(exit))), "a1")
      assert.deepStrictEqual(server.polledAt, at)
    })
  )

  it.effect("a pending answer that takes long puts the next poll off, it does not shorten the wait", () =>
    Effect.gen(function* () {
      const server = scripted([{ status: 400, json: { error: "authorization_pending" }, delay: "4 seconds" }, approved])
      yield* played(Effect.provide(acquire(), server.layer))
      assert.deepStrictEqual(server.polledAt, [5, 14])
    })
  )
})

describe("the login ends", () => {
  const table: ReadonlyArray<{
    readonly name: string
    readonly polls: ReadonlyArray<FakeServer.Answer>
    readonly start?: object
    readonly polled: number
    readonly endedAt: number
    readonly reason: object
  }> = [
    {
      name: "when somebody says no (S231)",
      polls: [pending, refused("access_denied", { error_description: "not today" })],
      polled: 2,
      endedAt: 10,
      reason: { _tag: "Interaction", kind: "Denied", description: "not today" }
    },
    {
      name: "when the server says that the code has expired (S231)",
      polls: [pending, refused("expired_token")],
      polled: 2,
      endedAt: 10,
      reason: { _tag: "Interaction", kind: "TimedOut", description: "the code has expired" }
    },
    {
      name: "when the code expires, pending for ever or not (S231)",
      polls: [pending],
      start: { expires_in: 13 },
      polled: 2,
      endedAt: 13,
      reason: { _tag: "Interaction", kind: "TimedOut", description: "the code has expired" }
    },
    {
      name: "after 15 minutes where the server does not say when (S231)",
      polls: [pending],
      start: { expires_in: undefined, interval: 60 },
      polled: 14,
      endedAt: 900,
      reason: { _tag: "Interaction", kind: "TimedOut", description: "the code has expired" }
    },
    {
      name: "when the code expires before the server wants to be asked again (S233)",
      polls: [{ status: 503, headers: { "retry-after": "3600" } }],
      polled: 1,
      endedAt: 60,
      reason: { _tag: "Interaction", kind: "TimedOut", description: "the code has expired" }
    },
    {
      name: "when the network never comes back (S232)",
      polls: [reset],
      polled: 3,
      endedAt: 60,
      reason: {
        _tag: "Interaction",
        kind: "TimedOut",
        description: "the code has expired; an earlier poll stayed without an answer, which may have held the token"
      }
    },
    {
      name: "at an error that nobody knows (S234)",
      polls: [pending, refused("made_up", { error_description: "whatever" })],
      polled: 2,
      endedAt: 10,
      reason: { _tag: "Rejected", code: "made_up", description: "whatever", subtype: undefined, status: 400 }
    },
    {
      name: "at an answer that is none",
      polls: [{ body: "<html>", headers: { "content-type": "text/html" } }],
      polled: 1,
      endedAt: 5,
      reason: { _tag: "InvalidResponse", description: "text/html instead of JSON", status: 200 }
    },
    {
      name: "at a redirect, which is not followed",
      polls: [{ status: 307, headers: { location: "https://evil.test/" } }],
      polled: 1,
      endedAt: 5,
      reason: { _tag: "InvalidResponse", description: "status 307; redirects are never followed", status: 307 }
    },
    {
      name: "when the answer with the token was lost, and says so (S243)",
      polls: [reset, refused("invalid_grant")],
      polled: 2,
      endedAt: 15,
      reason: {
        _tag: "Rejected",
        code: "invalid_grant",
        description: "an earlier poll stayed without an answer, which may have held the token",
        subtype: undefined,
        status: 400
      }
    },
    {
      name: "with a word about the clock, if it was slowed down five times (S235)",
      polls: [slowDown],
      start: { expires_in: 200 },
      polled: 6,
      endedAt: 200,
      reason: {
        _tag: "Interaction",
        kind: "TimedOut",
        description:
          "the code has expired, and the server asked 6 times to slow down: this machine's clock may run fast"
      }
    }
  ]

  it.effect.each(table.map((each) => [each.name, each] as const))(
    "%s",
    ([, { endedAt, polled, polls, reason, start }]) =>
      Effect.gen(function* () {
        const server = scripted(polls, start)
        const end = yield* played(Effect.provide(acquire(), server.layer))
        assert.deepStrictEqual({ ...reasonOf(end.exit) }, reason as never)
        assert.strictEqual(end.endedAt, endedAt)
        assert.strictEqual(server.polledAt.length, polled)
        // Nothing is sent once it is over.
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(server.polledAt.length, polled)
      })
  )

  it.effect("before it begins, if the server has no codes to give", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => refused("unauthorized_client"))
      const { exit } = yield* played(Effect.provide(acquire(), server.layer))
      assert.deepInclude(reasonOf(exit), { _tag: "Rejected", code: "unauthorized_client" })
      assert.strictEqual(server.seen.length, 1)
    })
  )

  it.effect.each([301, 302, 303, 307, 308])("before it begins, at a %i, which is not followed (S003)", (status) =>
    Effect.gen(function* () {
      const server = FakeServer.make(({ url }) =>
        url === options.deviceAuthorizationEndpoint
          ? { status, headers: { location: "https://evil.test/" } }
          : undefined
      )
      const login = acquire({ clientSecret: "s3cret" } as Partial<DeviceAuthorization.Options>)
      const { exit } = yield* played(Effect.provide(login, server.layer))
      assert.deepInclude(reasonOf(exit), { _tag: "InvalidResponse", status })
      assert.strictEqual(server.seen.length, 1)
    })
  )

  it.effect("before it begins, if the server has no endpoint for it", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ metadata: { device_authorization_endpoint: undefined } })
      const login = DeviceAuthorization.make({ issuer: server.issuer, clientId: "my-tool" }).acquire(first)
      const { exit } = yield* played(Effect.provide(login, server.layer))
      assert.deepInclude(reasonOf(exit), {
        _tag: "InvalidResponse",
        description: "the server's metadata has no device_authorization_endpoint"
      })
    })
  )

  it.effect("the first request is tried again: codes that nobody has seen do no harm", () =>
    Effect.gen(function* () {
      let requests = 0
      const server = FakeServer.make(({ url }) =>
        url === options.tokenEndpoint ? approved : ++requests < 3 ? reset : { json: codes }
      )
      const { exit } = yield* played(Effect.provide(acquire(), server.layer))
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(requests, 3)
    })
  )
})

describe("interrupting a login", () => {
  it.effect("stops the polls, the prompt and the opener at once (S237)", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const forever = (name: string) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended.push(name)))
      const server = scripted([pending])
      let progress: Stream.Stream<DeviceAuthorization.Progress> = Stream.empty
      const login = acquire({
        prompt: (login) =>
          Effect.zipRight(
            Effect.sync(() => (progress = login.progress)),
            forever("prompt")
          ),
        open: () => forever("open")
      })
      const fiber = yield* Effect.fork(Effect.provide(login, server.layer))
      yield* TestClock.adjust("12 seconds")
      const elsewhere = yield* Effect.fork(Stream.runLast(progress))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(ended.sort(), ["open", "prompt"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(server.polledAt, [5, 10])
      // Who follows from outside hears of it too.
      const last = Option.getOrThrow(yield* Fiber.join(elsewhere))
      assert.deepInclude(last._tag === "Failed" ? last.error.reason : assert.fail(last._tag), {
        _tag: "Interaction",
        kind: "Cancelled"
      })
    })
  )

  it.effect("closes the connection that a poll waits on (S081, S237)", () =>
    Effect.gen(function* () {
      const server = scripted(["never"])
      const fiber = yield* Effect.fork(Effect.provide(acquire(), server.layer))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(server.polledAt, [5])
    })
  )
})

it("an interrupted login leaves nothing behind that keeps a process alive (S237)", async () => {
  const [file, args] = Program.command("test/support/processes/interruptedLogin.ts")
  const { code, out } = await new Promise<{ readonly code: unknown; readonly out: string }>((resolve) => {
    const child = execFile(file, args, { timeout: 20_000 }, (_, out) => resolve({ code: child.exitCode, out }))
  })
  assert.deepStrictEqual({ code, out }, { code: 0, out: "finished\n" })
}, 30_000)

describe("a laptop that sleeps", () => {
  it.effect("comes back to a code that has expired, and polls no more (S242)", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make()
      const server = scripted([pending])
      const fiber = yield* Effect.fork(Effect.withClock(Effect.provide(acquire(), server.layer), clock))
      yield* clock.advance("12 seconds")
      assert.strictEqual(server.polledAt.length, 2)
      yield* clock.suspend("1 hour")
      yield* clock.advance("5 seconds")
      assert.deepInclude(reasonOf(yield* Fiber.await(fiber)), { _tag: "Interaction", kind: "TimedOut" })
      assert.strictEqual(server.polledAt.length, 2)
    })
  )

  it.effect("comes back in time, and polls once, not for all that it missed (S242)", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make()
      const server = scripted([pending], { expires_in: 900 })
      const fiber = yield* Effect.fork(Effect.withClock(Effect.provide(acquire(), server.layer), clock))
      yield* clock.advance("12 seconds")
      yield* clock.suspend("10 minutes")
      yield* clock.advance("4 seconds")
      assert.strictEqual(server.polledAt.length, 3)
      yield* clock.advance("3 seconds")
      assert.strictEqual(server.polledAt.length, 3)
      yield* clock.advance("1 second")
      assert.strictEqual(server.polledAt.length, 4)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("notices that the code has expired within a minute, also in a long pause (S242)", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make()
      const server = scripted([{ status: 503, headers: { "retry-after": "600" } }], { expires_in: 900 })
      const fiber = yield* Effect.fork(Effect.withClock(Effect.provide(acquire(), server.layer), clock))
      yield* clock.advance("10 seconds")
      yield* clock.suspend("1 hour")
      yield* clock.advance("1 minute")
      assert.deepInclude(reasonOf(yield* Fiber.await(fiber)), { _tag: "Interaction", kind: "TimedOut" })
      assert.strictEqual(server.polledAt.length, 1)
    })
  )

  it.effect("whose wall clock is set back has no more time than others", () =>
    Effect.gen(function* () {
      const clock = HybridClock.make()
      const server = scripted([pending])
      const fiber = yield* Effect.fork(Effect.withClock(Effect.provide(acquire(), server.layer), clock))
      yield* clock.advance("12 seconds")
      yield* clock.jump(-3_600_000)
      yield* clock.advance("47 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* clock.advance("2 seconds")
      assert.deepInclude(reasonOf(yield* Fiber.await(fiber)), { _tag: "Interaction", kind: "TimedOut" })
    })
  )
})

describe("the prompt", () => {
  it.effect("gets all that a person has to know, and no device code (S239, S240)", () =>
    Effect.gen(function* () {
      const shown = yield* Deferred.make<DeviceAuthorization.Login>()
      const server = scripted([approved])
      yield* played(Effect.provide(acquire({ prompt: (login) => Deferred.succeed(shown, login) }), server.layer))
      const { progress: _, ...login } = yield* Deferred.await(shown)
      assert.deepStrictEqual(login, {
        userCode: "WDJB-MJHT",
        verificationUri: "https://id.test/device",
        verificationUriComplete: Option.some("https://id.test/device?user_code=WDJB-MJHT"),
        expiresAt: DateTime.unsafeMake(60_000)
      })
    })
  )

  it.effect("can follow: seconds left, slowed down, unanswered, done", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const line = (progress: DeviceAuthorization.Progress) => {
        switch (progress._tag) {
          case "Waiting":
            return `${Duration.toSeconds(progress.left)}`
          case "SlowedDown":
            return `slowed ${Duration.toSeconds(progress.interval)}`
          case "Unanswered":
            return `unanswered ${Duration.toSeconds(progress.retryIn)}`
          default:
            return progress._tag
        }
      }
      const server = scripted([slowDown, { status: 503, headers: { "retry-after": "12" } }, approved], { interval: 2 })
      const login = acquire({
        prompt: ({ progress }) => Stream.runForEach(progress, (one) => Effect.sync(() => told.push(line(one))))
      })
      const { endedAt } = yield* played(Effect.provide(login, server.layer))
      assert.strictEqual(endedAt, 21)
      assert.deepStrictEqual(
        told.filter((line) => !/^\d/.test(line)),
        ["slowed 7", "unanswered 12", "Done"]
      )
      const seconds = told.filter((line) => /^\d/.test(line))
      assert.deepStrictEqual(
        seconds.slice(0, 21),
        Array.from({ length: 21 }, (_, nth) => `${60 - nth}`)
      )
      assert.strictEqual(told.at(-1), "Done")
    })
  )

  it.effect("hears why it failed, also if it comes late and twice", () =>
    Effect.gen(function* () {
      const server = scripted([refused("access_denied")])
      const last: Array<string> = []
      const login = acquire({
        prompt: ({ progress }) =>
          Effect.zipRight(
            Effect.sleep("5500 millis"),
            Effect.replicateEffect(
              Effect.map(Stream.runLast(progress), (one) => {
                const { _tag, ...rest } = Option.getOrThrow(one)
                last.push("error" in rest ? `${_tag}: ${rest.error.message}` : _tag)
              }),
              2
            )
          )
      })
      const { endedAt, exit } = yield* played(Effect.provide(login, server.layer))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(endedAt, 5.5)
      assert.deepStrictEqual(last, Array(2).fill("Failed: DeviceAuthorization: the login was denied; start it again"))
    })
  )

  it.effect("that never ends has one second after the login", () =>
    Effect.gen(function* () {
      const server = scripted([approved])
      let interrupted = false
      const login = acquire({
        prompt: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      })
      const { endedAt, exit } = yield* played(Effect.provide(login, server.layer))
      assert.isTrue(Exit.isSuccess(exit))
      assert.isTrue(interrupted)
      assert.strictEqual(endedAt, 6)
    })
  )

  it.effect("that fails cancels the login", () =>
    Effect.gen(function* () {
      const server = scripted([pending])
      const login = acquire({ prompt: () => Effect.delay(Effect.fail("c4nary: Escape was pressed"), "7 seconds") })
      const { endedAt, exit } = yield* played(Effect.provide(login, server.layer))
      assert.deepStrictEqual({ ...reasonOf(exit) }, { _tag: "Interaction", kind: "Cancelled" } as never)
      assert.strictEqual(endedAt, 7)
      assert.deepStrictEqual(server.polledAt, [5])
    })
  )

  it.effect("that is broken shows itself", () =>
    Effect.gen(function* () {
      const server = scripted([pending])
      const { exit } = yield* played(
        Effect.provide(acquire({ prompt: () => Effect.die(new TypeError("no screen")) }), server.layer)
      )
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /no screen/)
      assert.deepStrictEqual(server.polledAt, [])
    })
  )

  it.effect("may need services, and so may the opener", () =>
    Effect.gen(function* () {
      const Screen = Context.GenericTag<"Screen", { readonly lines: Array<string> }>("Screen")
      const write = (line: string) => Effect.map(Screen, ({ lines }) => lines.push(line))
      const server = scripted([approved])
      const lines: Array<string> = []
      const login = acquire<"Screen">({ prompt: ({ userCode }) => write(userCode), open: write })
      const { exit } = yield* played(login.pipe(Effect.provide(server.layer), Effect.provideService(Screen, { lines })))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lines, ["WDJB-MJHT", "https://id.test/device?user_code=WDJB-MJHT"])
    })
  )
})

describe("the opener", () => {
  const opened = (
    open: NonNullable<DeviceAuthorization.Options["open"]>,
    start: object = {}
  ): Effect.Effect<ReadonlyArray<string>> =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const urls: Array<string> = []
      const { exit } = yield* played(
        acquire({
          prompt: ({ userCode }) => Effect.sync(() => told.push(userCode)),
          open: (url) => {
            urls.push(url)
            return open(url)
          }
        }).pipe(Effect.provide(scripted([approved], start).layer))
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(told, ["WDJB-MJHT"])
      return urls
    })

  it.effect.each<[string, NonNullable<DeviceAuthorization.Options["open"]>]>([
    ["is an Effect", () => Effect.void],
    ["is a promise", async () => {}],
    ["just does it", () => {}],
    ["fails", () => Effect.fail("no browser")],
    ["rejects", () => Promise.reject(new Error("no browser"))],
    ["throws", () => assert.fail("no browser")]
  ])("that %s gets the address with the code in it, and the code is shown all the same (S239)", ([, open]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* opened(open), ["https://id.test/device?user_code=WDJB-MJHT"])
    })
  )

  it.effect("gets the plain address where there is no other, or none that is a web address (S238)", () =>
    Effect.gen(function* () {
      for (const verification_uri_complete of [undefined, "javascript:alert(1)", "file:///etc/passwd"]) {
        const urls = yield* opened(() => {}, { verification_uri_complete })
        assert.deepStrictEqual(urls, ["https://id.test/device"])
      }
    })
  )
})

describe("the terminal prompt", () => {
  /** What is written to the console, and over and over to standard error. */
  const written = (isTTY: boolean, server: { readonly layer: FakeServer.FakeServer["layer"] }, more: object = {}) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const live: Array<string> = []
      const stderr = process.stderr as { isTTY: boolean; write: unknown }
      const { isTTY: was, write } = stderr
      stderr.isTTY = isTTY
      stderr.write = (text: string) => live.push(text)
      const console: Console.Console = {
        ...(yield* Console.consoleWith(Effect.succeed)),
        error: (line: string) => Effect.sync(() => void lines.push(line))
      }
      const prompt = DeviceAuthorization.terminalPrompt(more)
      const { exit } = yield* played(
        acquire({ prompt }).pipe(Effect.provide(server.layer), Effect.withConsole(console))
      ).pipe(Effect.ensuring(Effect.sync(() => Object.assign(stderr, { isTTY: was, write }))))
      return { exit, lines, live }
    })

  it.effect("says it in quiet lines where there is no terminal", () =>
    Effect.gen(function* () {
      const { lines, live } = yield* written(false, scripted([pending, reset, pending, approved]))
      assert.deepStrictEqual(lines.join("\n").split("\n"), [
        "",
        "To log in, open       https://id.test/device",
        "and enter the code    WDJB-MJHT",
        "",
        "or open               https://id.test/device?user_code=WDJB-MJHT",
        "",
        "Waiting for you, 1:00 left",
        "No answer from the server, trying again in 0:10",
        "Logged in"
      ])
      assert.deepStrictEqual(live, [])
    })
  )

  it.effect("counts down where there is one, and leaves no line behind", () =>
    Effect.gen(function* () {
      const { lines, live } = yield* written(true, scripted([pending, approved]))
      assert.include(lines.join("\n"), "WDJB-MJHT")
      assert.notInclude(lines.join("\n"), "Waiting")
      assert.include(live, "\r\x1b[KWaiting for you, 1:00 left ")
      assert.include(live, "\r\x1b[KWaiting for you, 0:51 left ")
      assert.strictEqual(live.at(-1), "\r\x1b[K")
      assert.strictEqual(lines.at(-1), "Logged in")
    })
  )

  it.effect("draws a QR code of the address with the code in it, and shows the code all the same (S239)", () =>
    Effect.gen(function* () {
      const { lines } = yield* written(false, scripted([approved]), { qrCode: (url: string) => `[QR of ${url}]` })
      assert.include(lines.join("\n"), "[QR of https://id.test/device?user_code=WDJB-MJHT]")
      assert.include(lines.join("\n"), "and enter the code    WDJB-MJHT")
    })
  )

  it.effect("goes on without a QR code that cannot be drawn", () =>
    Effect.gen(function* () {
      const qrCode = () => assert.fail("too long")
      const { exit, lines } = yield* written(false, scripted([approved]), { qrCode })
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(lines.at(-1), "Logged in")
    })
  )

  it.effect("draws none of an address without it, and nothing that is no web address (S238)", () =>
    Effect.gen(function* () {
      const hostile = { verification_uri_complete: "javascript:alert(1)", user_code: "A\u001b[2JB" }
      const { lines } = yield* written(false, scripted([approved], hostile), { qrCode: () => "[QR]" })
      assert.notInclude(lines.join("\n"), "[QR]")
      assert.notMatch(lines.join(""), /javascript|\p{Cc}\[/u)
      assert.include(lines.join("\n"), "and enter the code    A[2JB")
    })
  )
})

describe("in an application", () => {
  it.scoped("logs in once, then spends the refresh token, and never asks a person from the background", () =>
    Effect.gen(function* () {
      const server = real({ lifetime: "5 minutes" })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(DeviceAuthorization.make(server.options))
        const token = yield* credentials.token
        assert.strictEqual(show(token), "at-1")
        assert.strictEqual(show(yield* credentials.renew(token)), "at-2")
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(show(yield* credentials.token), "at-3")
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.tokenEndpoint.requests.map(({ parameters }) => parameters["grant_type"]),
        [grantType, "refresh_token", "refresh_token"]
      )
      assert.strictEqual(server.devices.length, 1)
      // The metadata is read once for all of it.
      assert.strictEqual(server.discovery.requests.length, 1)
    })
  )

  it.scoped("asks the person again when the refresh token is refused, but only where that is allowed", () =>
    Effect.gen(function* () {
      const server = real()
      const provider = DeviceAuthorization.make(server.options)
      yield* Effect.gen(function* () {
        const previous = Option.some(yield* provider.acquire(first))
        server.endSessions()
        const forbidden = yield* Effect.flip(provider.acquire({ ...first, previous, interaction: "forbidden" }))
        assert.deepInclude(forbidden.reason, { _tag: "Interaction", kind: "Forbidden" })
        assert.strictEqual(server.devices.length, 1)
        yield* provider.acquire({ ...first, previous })
        assert.strictEqual(server.devices.length, 2)
      }).pipe(Effect.provide(server.layer))
    })
  )

  it.effect("sends nothing at all where no person may be asked", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => undefined)
      const error = yield* Effect.flip(acquire({}, { ...first, interaction: "forbidden" })).pipe(
        Effect.provide(server.layer)
      )
      assert.deepInclude(error.reason, { _tag: "Interaction", kind: "Forbidden" })
      assert.strictEqual(server.seen.length, 0)
    })
  )

  it.scoped("an outage during a refresh is no reason to log in again", () =>
    Effect.gen(function* () {
      const server = real()
      const provider = DeviceAuthorization.make({ ...server.options, timeLimit: "1 second" })
      yield* Effect.gen(function* () {
        const previous = Option.some(yield* provider.acquire(first))
        server.tokenEndpoint.answerAlways({ status: 503 })
        const error = yield* Effect.flip(provider.acquire({ ...first, previous }))
        assert.strictEqual(error.reason._tag, "Unavailable")
        assert.strictEqual(server.devices.length, 1)
      }).pipe(Effect.provide(server.layer))
    })
  )

  it.scoped("many callers share one login, which outlives whoever began it", () =>
    Effect.gen(function* () {
      const server = real()
      server.approve(false)
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(DeviceAuthorization.make(server.options))
        const begun = yield* Effect.fork(credentials.token)
        yield* TestClock.adjust("8 seconds")
        const others = yield* Effect.fork(Effect.replicateEffect(credentials.token, 20, { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(begun)
        server.approve(true)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(new Set((yield* Fiber.join(others)).map(show)), new Set(["at-1"]))
      }).pipe(Effect.provide(server.layer))
      assert.strictEqual(server.devices.length, 1)
    })
  )

  it.scoped("the engine gives a login all the time that the code has", () =>
    Effect.gen(function* () {
      const server = real({}, { expires_in: 7_200, interval: 60 })
      server.approve(false)
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(DeviceAuthorization.make(server.options))
        const waiting = yield* Effect.fork(Effect.exit(credentials.token))
        yield* TestClock.adjust("7199 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(reasonOf(yield* Fiber.join(waiting)), { _tag: "Interaction", kind: "TimedOut" })
      }).pipe(Effect.provide(server.layer))
    })
  )

  it.effect("the target goes with the first request, and counts as granted where the server says nothing", () =>
    Effect.gen(function* () {
      const server = scripted([approved])
      const { exit } = yield* played(
        acquire({ scope: ["read", "offline_access"], audience: "api", parameters: { tenant: "x" } }).pipe(
          Effect.provide(server.layer)
        )
      )
      assert.deepStrictEqual(Object.fromEntries(server.seen[0]!.form), {
        scope: "read offline_access",
        audience: "api",
        tenant: "x",
        client_id: "my-tool"
      })
      assert.deepStrictEqual(Exit.isSuccess(exit) && exit.value.scope, ["read", "offline_access"])
    })
  )

  it.effect("less scope than asked for is an error if that is wanted", () =>
    Effect.gen(function* () {
      const server = scripted([{ json: { access_token: "a", scope: "read" } }])
      const { exit } = yield* played(
        Effect.provide(acquire({ scope: ["read", "write"], reducedScope: "error" }), server.layer)
      )
      assert.deepInclude(reasonOf(exit), { _tag: "InvalidResponse" })
    })
  )

  it("shows no device code, whatever is printed, logged or traced (S240)", async () => {
    const canary = "dc4nary-1a2b3c4d5e6f7a8b9c0d"
    const server = FakeServer.make(({ url }, nth) =>
      url === options.deviceAuthorizationEndpoint
        ? { json: { ...codes, device_code: canary } }
        : nth === 2
          ? pending
          : nth === 3
            ? { ...reset, lost: new Error(canary) }
            : refused("invalid_grant", { error_description: `no such code: ${canary}` })
    )
    const program = Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        acquire({
          prompt: (login) =>
            Effect.zipRight(
              Effect.log(login),
              Stream.runForEach(login.progress, (progress) => Effect.log(progress))
            )
        }).pipe(Effect.provide(server.layer))
      )
      yield* TestClock.adjust("1 minute")
      return yield* Fiber.join(fiber)
    })
    const seen = await observe(Effect.provide(program, TestContext.TestContext))
    assert.strictEqual(server.seen.length, 4)
    assert.include(seen.map(([, text]) => text).join(), "WDJB-MJHT")
    assert.deepStrictEqual(scanner({ "device code": canary })(seen), [])
  })
})

describe("who logs in", () => {
  const openid = { scope: ["openid"] }

  it.effect("is verified: an ID token for another client is no login, and the prompt hears of it", () =>
    Effect.gen(function* () {
      const server = real({
        grants: { [grantType]: (_, issue) => issue({ subject: "ada", ...openid, idToken: { aud: "you" } }) }
      })
      const heard: Array<DeviceAuthorization.Progress["_tag"]> = []
      const prompt = ({ progress }: DeviceAuthorization.Login) =>
        Stream.runForEach(progress, ({ _tag }) => Effect.sync(() => heard.push(_tag)))
      const provider = DeviceAuthorization.make({ ...server.options, ...openid, prompt })
      const error = yield* Effect.flip(Effect.provide(provider.acquire(first), server.layer))
      assert.match(error.message, /^DeviceAuthorization: .* the ID token is refused, aud:/)
      assert.strictEqual(heard.at(-1), "Failed")
    })
  )

  it.effect("is another one than was expected, or than before (S228)", () =>
    Effect.gen(function* () {
      const server = real()
      const acquire = (more: object, previous = first.previous) =>
        Effect.provide(
          DeviceAuthorization.make({ ...server.options, ...openid, ...more }).acquire({ ...first, previous }),
          server.layer
        )
      const wrong = yield* Effect.flip(acquire({ expected: { sub: "eve" } }))
      assert.deepStrictEqual(wrong.reason, { _tag: "WrongUser", claim: "sub" })
      assert.isTrue(Option.isSome((yield* acquire({ expected: { sub: "ada" } })).idToken))
      const eve = yield* server.login({ clientId: "my-tool", subject: "eve", scope: ["openid"] })
      server.endSessions()
      const other = yield* Effect.flip(acquire({}, Option.some(eve)))
      assert.deepStrictEqual(other.reason, { _tag: "WrongUser", claim: "sub" })
      assert.isTrue(Option.isSome((yield* acquire({ idToken: false }, Option.some(eve))).idToken))
    })
  )

  it.effect("is not asked while the issuer's keys are not to be had", () =>
    Effect.gen(function* () {
      const server = real()
      server.keys.answerAlways({ status: 503 })
      const provider = DeviceAuthorization.make({ ...server.options, ...openid })
      const error = yield* Effect.flip(Effect.provide(provider.acquire(first), server.layer))
      assert.deepStrictEqual([error.provider, error.reason._tag], ["DeviceAuthorization", "Unavailable"])
      assert.strictEqual(server.devices.length, 0)
    })
  )

  it.effect("is not looked at where nothing but the endpoints is known", () =>
    Effect.gen(function* () {
      const server = scripted([{ json: { access_token: "a1", id_token: "no.id.token" } }])
      const { exit } = yield* played(Effect.provide(acquire(openid), server.layer))
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})

describe("on a real server", () => {
  /** Logs in, and decides on the pages that the server shows. */
  const login = (server: DeviceServer, decision: "approve" | "deny", pages: Array<string>) =>
    DeviceAuthorization.make({
      issuer: server.issuer,
      clientId: server.clientId,
      scope: ["openid", "offline_access"],
      expected: { sub: "ada" },
      parameters: { prompt: "consent" },
      prompt: ({ verificationUriComplete }) =>
        Effect.promise(async () => pages.push(await decide(Option.getOrThrow(verificationUriComplete), decision)))
    })

  it.scopedLive(
    "a person approves, the token works, is renewed without the person, and is given back",
    () =>
      Effect.gen(function* () {
        const server = yield* deviceServer
        const pages: Array<string> = []
        const credentials = yield* Credentials.make(login(server, "approve", pages))
        const token = yield* credentials.token
        assert.include(pages.join(), "Sign-in Success")
        assert.deepStrictEqual(token.scope, ["openid", "offline_access"])
        assert.isTrue(yield* Effect.promise(() => server.accepts(show(token))))
        const renewed = yield* credentials.renew(token)
        assert.notStrictEqual(show(renewed), show(token))
        assert.isTrue(yield* Effect.promise(() => server.accepts(show(renewed))))
        assert.strictEqual(pages.length, 1)
        yield* credentials.revoke
        assert.isFalse(yield* Effect.promise(() => server.accepts(show(renewed))))
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    30_000
  )

  it.scopedLive(
    "a person says no",
    () =>
      Effect.gen(function* () {
        const pages: Array<string> = []
        const error = yield* Effect.flip(login(yield* deviceServer, "deny", pages).acquire(first))
        assert.include(pages.join(), "The Sign-in request was interrupted")
        assert.deepInclude(error.reason, { _tag: "Interaction", kind: "Denied" })
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    30_000
  )
})

describe("options", () => {
  const problem = (options: DeviceAuthorization.Options) =>
    Effect.flip(Effect.scoped(Credentials.make(DeviceAuthorization.make(options)))).pipe(
      Effect.map(({ expected, option }) => [option, expected]),
      Effect.provide(FakeServer.make(() => undefined).layer)
    )

  it.effect.each(["http://id.test/device", "javascript:alert(1)", "", "id.test"])(
    "the device authorization endpoint cannot be %j",
    (deviceAuthorizationEndpoint) =>
      Effect.gen(function* () {
        const [option] = yield* problem({ ...options, deviceAuthorizationEndpoint })
        assert.strictEqual(option, "deviceAuthorizationEndpoint")
        const sent = FakeServer.make(() => undefined)
        const error = yield* Effect.flip(Effect.provide(acquire({ deviceAuthorizationEndpoint }), sent.layer))
        assert.strictEqual(error.reason._tag, "InvalidResponse")
      })
  )

  it.effect("a token endpoint alone is not enough", () =>
    Effect.gen(function* () {
      const [option, expected] = yield* problem({ tokenEndpoint: options.tokenEndpoint, clientId: "my-tool" })
      assert.deepStrictEqual(
        [option, expected],
        ["deviceAuthorizationEndpoint", "given where the server is known by its tokenEndpoint"]
      )
    })
  )

  it.effect("what all providers check is checked", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* problem({ ...options, clientId: " " }))[0], "clientId")
      assert.strictEqual((yield* problem({ ...options, tokenEndpoint: "http://id.test" }))[0], "tokenEndpoint")
      assert.strictEqual((yield* problem({ ...options, scope: ["a b"] }))[0], "scope")
      assert.strictEqual((yield* problem({ ...options, scope: ["openid"], expected: { sub: "ada" } }))[0], "expected")
    })
  )

  it("the key is that of the server, the client and the target", () => {
    const key = (more: object) => Option.getOrThrow(DeviceAuthorization.make({ ...options, ...more }).key)
    assert.notStrictEqual(key({}), key({ scope: ["read"] }))
    assert.notStrictEqual(key({}), key({ clientId: "other" }))
    assert.notStrictEqual(key({}), key({ tokenEndpoint: "https://other.test/token" }))
    assert.notStrictEqual(key({}), key({ expected: { sub: "ada" } }))
    assert.strictEqual(key({}), key({ pollAtOnce: true }))
  })

  it.effect("an endpoint of one's own overrides what the server says of itself", () =>
    Effect.gen(function* () {
      const server = real({ metadata: {} })
      const provider = DeviceAuthorization.make({
        ...server.options,
        issuer: undefined,
        server: AuthorizationServer.discover(server.issuer),
        deviceAuthorizationEndpoint: options.deviceAuthorizationEndpoint
      })
      yield* Effect.provide(provider.acquire(first), server.layer)
      assert.strictEqual(server.devices.length, 1)
    })
  )

  it.scoped("revoking gives back the refresh token, then the access token", () =>
    Effect.gen(function* () {
      const server = real()
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(DeviceAuthorization.make(server.options))
        yield* credentials.token
        yield* credentials.revoke
      }).pipe(Effect.provide(server.layer))
      assert.deepStrictEqual(
        server.revoked.map((token) => Redacted.value(token)),
        ["rt-1", "at-1"]
      )
    })
  )

  it.effect("come from the configuration", () =>
    Effect.gen(function* () {
      const load = (variables: Record<string, string>) =>
        Effect.withConfigProvider(
          DeviceAuthorization.fromConfig({}, { prompt: () => Effect.void, pollAtOnce: true }),
          ConfigProvider.fromMap(new Map(Object.entries(variables)))
        )
      const server = real()
      const complete = yield* load({ ISSUER: server.issuer, CLIENT_ID: "my-tool", CLIENT_SECRET: "c4nary-secret" })
      assert.strictEqual(show(yield* Effect.provide(complete.acquire(first), server.layer)), "at-1")

      const addresses = {
        TOKEN_URL: options.tokenEndpoint,
        DEVICE_AUTHORIZATION_URL: options.deviceAuthorizationEndpoint
      }
      const fake = scripted([approved])
      const explicit = yield* load({ ...addresses, CLIENT_ID: "my-tool", SCOPE: "read write" })
      yield* Effect.provide(explicit.acquire(first), fake.layer)
      assert.strictEqual(fake.seen[0]!.form.get("scope"), "read write")

      const nothing = yield* Effect.flip(load({}))
      assert.strictEqual(nothing._tag, "MissingCredentials")
      const half = yield* Effect.flip(load({ ISSUER: "https://id.test" }))
      assert.deepInclude({ ...half }, { _tag: "PartialCredentials", present: ["ISSUER"], missing: ["CLIENT_ID"] })
    })
  )
})
