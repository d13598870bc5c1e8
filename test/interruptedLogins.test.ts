/** Logins that are interrupted wherever they can wait: nothing of them stays. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import type * as Provider from "../src/Provider.ts"
import * as Testing from "../src/Testing.ts"
import type { Token } from "../src/Token.ts"
import { callbackOf, isOpen, raw } from "./support/browser.ts"
import { seeds } from "./support/SeededScheduler.ts"

const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
const codes = {
  device_code: "d",
  user_code: "WDJB-MJHT",
  verification_uri: "https://id.test/device",
  expires_in: 600,
  interval: 5
}

const at = <A>(promise: () => Promise<A>) => Effect.promise(promise)
const turn = at(() => new Promise((resolve) => setImmediate(resolve)))

/** What this process waits for more than before; nothing where a runtime does not tell. The test runner has timers of its own, which come and go. */
const added = (before: ReadonlyArray<string>): ReadonlyArray<string> => {
  const rest = [...before]
  return resources().filter((name) => {
    const at = rest.indexOf(name)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
const resources = (): ReadonlyArray<string> =>
  "Deno" in globalThis || "Bun" in globalThis ? [] : process.getActiveResourcesInfo()

/** Ends a login once it waits there, and looks around. */
const interrupted = (
  login: Effect.Effect<Token, RefreshError, HttpClient.HttpClient>,
  server: Testing.TestServer,
  isThere: () => boolean | Promise<boolean>,
  port: () => number | undefined = () => undefined
) =>
  Effect.gen(function* () {
    const before = resources()
    const fiber = yield* Effect.fork(Effect.provide(login, server.layer))
    while (!(yield* at(async () => isThere()))) {
      if (Option.isSome(yield* Fiber.poll(fiber))) yield* Fiber.join(fiber)
      yield* turn
    }
    yield* turn
    yield* Fiber.interrupt(fiber)
    const sent = server.requests.length
    const open = port()
    if (open !== undefined) {
      assert.isFalse(yield* at(() => isOpen(open)))
      assert.isFalse(yield* at(() => isOpen(open, "::1")))
    }
    for (const since = performance.now(); added(before).length > 0 && performance.now() - since < 400;) yield* turn
    assert.deepStrictEqual(added(before), [])
    assert.strictEqual(server.requests.length, sent)
  })

describe("a login in the browser that is interrupted leaves no port, no timer and no request behind (S203, S209)", () => {
  const authorizationEndpoint = "https://id.test/authorize"
  interface World {
    readonly id: Testing.TestServer
    readonly seen: Set<string>
    url: string
  }
  const points: ReadonlyArray<
    readonly [
      where: string,
      arrange: (world: World) => Partial<AuthorizationCode.Options>,
      isThere: (world: World) => boolean | Promise<boolean>
    ]
  > = [
    [
      "while the metadata is on its way",
      ({ id }) => (id.discovery.answerAlways({ delay: Infinity }), {}),
      ({ id }) => id.discovery.requests.length > 0
    ],
    [
      "while it is pushed",
      () => ({ pushed: true }),
      ({ id }) => id.requests.some(({ url }) => url === "https://id.test/par")
    ],
    [
      "while the person is told",
      ({ seen }) => ({
        show: () =>
          Effect.zipRight(
            Effect.sync(() => seen.add("told")),
            Effect.never
          )
      }),
      ({ seen }) => seen.has("told")
    ],
    [
      "while the browser opens",
      (world) => ({ open: (url) => ((world.url = url), new Promise<never>(() => {})) }),
      ({ url }) => url !== ""
    ],
    ["while the person logs in", (world) => ({ open: (url) => void (world.url = url) }), ({ url }) => url !== ""],
    [
      "while the address is to be pasted",
      (world) => ({
        show: (text: string) => Effect.sync(() => void (world.url ||= /https:\S+/.exec(text)?.[0] ?? "")),
        open: false,
        paste: Effect.zipRight(
          Effect.sync(() => world.seen.add("paste")),
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => world.seen.add("closed")))
        )
      }),
      ({ seen }) => seen.has("paste")
    ],
    [
      "while the code is traded",
      (world) => {
        world.id.tokenEndpoint.answerAlways({ delay: Infinity })
        return {
          open: (url) => {
            world.url = url
            void raw(portOf(url), `GET ${pathOf(callbackOf(url))} HTTP/1.1\r\nhost: 127.0.0.1:${portOf(url)}\r\n\r\n`)
          }
        }
      },
      ({ id }) => id.tokenEndpoint.requests.length > 0
    ],
    [
      "while the page is awaited",
      (world) => ({
        open: async (url) => {
          world.url = url
          await raw(portOf(url), `GET ${pathOf(callbackOf(url))} HTTP/1.1\r\nhost: 127.0.0.1:${portOf(url)}\r\n\r\n`)
          world.seen.add("redirected")
        }
      }),
      ({ id, seen }) => seen.has("redirected") && id.issued.length > 0
    ]
  ]
  const portOf = (url: string) => Number(new URL(new URL(url).searchParams.get("redirect_uri")!).port)
  const pathOf = (url: string) => new URL(url).pathname + new URL(url).search

  it.live.each(points)("%s", ([, arrange, isThere]) =>
    Effect.gen(function* () {
      const id = Testing.authorizationServer({
        metadata: {
          authorization_endpoint: authorizationEndpoint,
          pushed_authorization_request_endpoint: "https://id.test/par"
        },
        routes: ({ url }) => (url === "https://id.test/par" ? Effect.never : undefined),
        grants: { authorization_code: (_, issue) => issue({ subject: "ada" }) }
      })
      const world: World = { id, seen: new Set(), url: "" }
      const { acquire } = AuthorizationCode.make({
        issuer: id.issuer,
        clientId: "me",
        show: () => Effect.void,
        open: (url) => void (world.url = url),
        ...arrange(world)
      } as AuthorizationCode.Options)
      yield* interrupted(
        acquire(first),
        id,
        () => isThere(world),
        () => (world.url === "" ? undefined : portOf(world.url))
      )
      if (world.seen.has("paste")) assert.isTrue(world.seen.has("closed"))
    })
  )
})

describe("a login on a second device that is interrupted leaves no timer and no request behind (S237)", () => {
  type Arrange = (server: Testing.TestServer, reached: () => void) => Partial<DeviceAuthorization.Options>
  const points: ReadonlyArray<
    readonly [where: string, arrange: Arrange, isThere?: (server: Testing.TestServer) => boolean]
  > = [
    [
      "while the metadata is on its way",
      ({ discovery }) => (discovery.answerAlways({ delay: Infinity }), {}),
      ({ discovery }) => discovery.requests.length > 0
    ],
    [
      "while the codes are on their way",
      () => ({ parameters: { slow: "yes" } }),
      ({ requests }) => requests.some(({ parameters }) => parameters["slow"] === "yes")
    ],
    [
      "while the person is shown the code",
      (_, reached) => ({ prompt: () => Effect.zipRight(Effect.sync(reached), Effect.never) })
    ],
    [
      "while the terminal counts down",
      (_, reached) => ({
        prompt: (login) => Effect.zipRight(Effect.sync(reached), DeviceAuthorization.terminalPrompt()(login))
      })
    ],
    ["while a browser opens", (_, reached) => ({ open: () => (reached(), new Promise<never>(() => {})) })],
    [
      "while it is polled",
      ({ tokenEndpoint }) => (tokenEndpoint.answerAlways({ delay: Infinity }), { pollAtOnce: true }),
      ({ tokenEndpoint }) => tokenEndpoint.requests.length > 0
    ],
    [
      "while the prompt ends",
      () => ({ pollAtOnce: true, prompt: () => Effect.never }),
      ({ issued }) => issued.length > 0
    ]
  ]
  const serverOf = () =>
    Testing.authorizationServer({
      metadata: { device_authorization_endpoint: "https://id.test/device_authorization" },
      routes: ({ parameters, url }) =>
        url !== "https://id.test/device_authorization"
          ? undefined
          : parameters["slow"] === "yes"
            ? Effect.never
            : Effect.succeed({ json: codes }),
      grants: { [deviceGrant]: (_, issue) => issue({ subject: "ada" }) }
    })

  it.live.each(points)("%s", ([, arrange, isThere]) =>
    Effect.gen(function* () {
      const server = serverOf()
      let isReached = false
      const { acquire } = DeviceAuthorization.make({
        issuer: server.issuer,
        clientId: "me",
        prompt: () => Effect.void,
        ...arrange(server, () => (isReached = true))
      } as DeviceAuthorization.Options)
      yield* interrupted(acquire(first), server, () => isThere?.(server) ?? isReached)
    })
  )

  it("at any step, in any order", () =>
    seeds(100, (world) => {
      const server = serverOf()
      const ended: Array<string> = []
      const begun: Array<string> = []
      const tracked = (name: string) =>
        Effect.acquireUseRelease(
          Effect.sync(() => begun.push(name)),
          () => Effect.never,
          () => Effect.sync(() => ended.push(name))
        )
      server.tokenEndpoint.answerAlways({ ...Testing.refuse("authorization_pending"), delay: "1 second" })
      const { acquire } = DeviceAuthorization.make({
        issuer: server.issuer,
        clientId: "me",
        pollAtOnce: world.random() < 0.5,
        prompt: () => tracked("prompt"),
        open: () => tracked("open")
      })
      const fiber = world.fork(Effect.provide(acquire(first), server.layer))
      for (let steps = world.below(30); steps > 0; steps--) world.run(world.pause(3))
      if (world.random() < 0.5) world.advance(world.below(20_000))
      world.run(Fiber.interrupt(fiber))
      const sent = server.requests.length
      world.advance(3_600_000)
      assert.strictEqual(server.requests.length, sent)
      assert.deepStrictEqual(ended.sort(), begun.sort())
    }))
})
