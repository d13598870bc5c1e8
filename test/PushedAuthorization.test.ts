/** Logins whose parameters are left at the server first (RFC 9126). */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
// Silences the server's greetings.
import "../examples/support/authorizationServer.ts"
import { listen } from "../examples/support/listen.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as DPoP from "../src/DPoP.ts"
import * as AuthorizationRequest from "../src/protocol/AuthorizationRequest.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import { visit } from "./support/browser.ts"
import * as FakeServer from "./support/FakeServer.ts"

const { Provider } = await import("oidc-provider")

const authorizationEndpoint = "https://id.example.com/authorize"
const redirectUri = "https://shop.example/callback"
const server = (more?: object) =>
  AuthorizationServer.make({
    token_endpoint: "https://id.example.com/token",
    authorization_endpoint: authorizationEndpoint,
    pushed_authorization_request_endpoint: "https://id.example.com/par",
    ...more
  })
const accepted = (): FakeServer.Answer => ({ status: 201, json: { request_uri: "urn:x:1", expires_in: 60 } })

const start = (fake: FakeServer.FakeServer, options?: Partial<AuthorizationCode.ServerOptions>, more?: object) =>
  AuthorizationCode.start({
    ...{ server: server(more), clientId: "shop", redirectUri, pushed: true, scope: ["openid"], retry: Schedule.stop },
    ...options
  } as AuthorizationCode.ServerOptions & { readonly redirectUri: string }).pipe(Effect.provide(fake.layer))

describe("a login that is pushed", () => {
  it.effect("shows the browser nothing but the client and a name for the rest", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      const login = yield* start(fake, { prompt: "login", resource: ["https://a.example", "https://b.example"] })
      assert.strictEqual(login.url, `${authorizationEndpoint}?client_id=shop&request_uri=urn%3Ax%3A1`)
      const { form, method, url } = fake.seen[0]!
      assert.deepStrictEqual([method, url], ["POST", "https://id.example.com/par"])
      const { code_challenge, ...rest } = Object.fromEntries(form)
      assert.match(code_challenge!, /^[\w-]{43}$/)
      assert.deepStrictEqual(rest, {
        response_type: "code",
        client_id: "shop",
        redirect_uri: redirectUri,
        scope: "openid",
        state: Redacted.value(login.state),
        nonce: Redacted.value(Option.getOrThrow(login.nonce)),
        code_challenge_method: "S256",
        prompt: "login",
        resource: "https://b.example"
      })
      assert.deepStrictEqual(form.getAll("resource"), ["https://a.example", "https://b.example"])
      assert.deepStrictEqual(form.getAll("client_id"), ["shop"])
    })
  )

  it.effect("proves the client, who is named all the same", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      yield* start(fake, { authentication: ClientAuthentication.clientSecretBasic("s3cret") })
      assert.strictEqual(fake.seen[0]!.headers["authorization"], `Basic ${btoa("shop:s3cret")}`)
      assert.deepStrictEqual(fake.seen[0]!.form.getAll("client_id"), ["shop"])
    })
  )

  it.effect("leaves the endpoint's own query where it is", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      const own = `${authorizationEndpoint}?tenant=a&x=`
      const login = yield* start(fake, {}, { authorization_endpoint: own })
      assert.strictEqual(login.url, `${own}&client_id=shop&request_uri=urn%3Ax%3A1`)
      assert.isFalse(fake.seen[0]!.form.has("tenant"))
    })
  )

  it.effect("binds the code to the key of the tokens (RFC 9449 §10)", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      const authorization = DPoP.make()
      yield* start(fake, { authorization })
      assert.strictEqual(fake.seen[0]!.form.get("dpop_jkt"), yield* authorization.proof!.thumbprint)
      assert.isUndefined(fake.seen[0]!.headers["dpop"])
      const login = yield* start(fake, { authorization, pushed: false })
      assert.strictEqual(new URL(login.url).searchParams.get("dpop_jkt"), yield* authorization.proof!.thumbprint)
    })
  )

  it.effect.each<[boolean | undefined, boolean, boolean]>([
    [undefined, true, true],
    [undefined, false, false],
    [true, false, true],
    [false, true, false]
  ])("where the option says %j and the server requires it: %j, it is pushed: %j", ([pushed, isRequired, isPushed]) =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      const login = yield* start(fake, { pushed }, { require_pushed_authorization_requests: isRequired })
      assert.strictEqual(fake.seen.length, isPushed ? 1 : 0)
      assert.strictEqual(login.url.includes("request_uri"), isPushed)
    })
  )

  it.effect.each<[string, FakeServer.Answer, RefreshError["reason"]["_tag"]]>([
    ["refuses", { status: 400, json: { error: "invalid_request" } }, "Rejected"],
    ["refuses the client", { status: 401, json: { error: "invalid_client" } }, "Rejected"],
    ["cannot now", { status: 503 }, "Unavailable"],
    ["says nothing", { status: 201, json: {} }, "InvalidResponse"],
    ["names it badly", { status: 201, json: { request_uri: "two words" } }, "InvalidResponse"],
    ["sends it elsewhere", { status: 307, headers: { location: "https://evil.example/" } }, "InvalidResponse"]
  ])("to a server that %s is an error, and nothing is shown", ([, answer, tag]) =>
    Effect.gen(function* () {
      const fake = FakeServer.make(() => answer)
      const error = yield* Effect.flip(start(fake))
      assert.strictEqual(error._tag === "RefreshError" && error.reason._tag, tag)
      assert.strictEqual(fake.seen.length, 1)
    })
  )

  it.effect("to a server without such an endpoint is an error that names it", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(accepted)
      const error = yield* Effect.flip(start(fake, {}, { pushed_authorization_request_endpoint: undefined }))
      assert.include(error.message, "the server's metadata has no pushed_authorization_request_endpoint")
    })
  )

  it.effect("quotes neither state nor nonce of a server that repeats them", () =>
    Effect.gen(function* () {
      const fake = FakeServer.make(({ form }) => ({
        status: 400,
        json: { error: "invalid_request", error_description: `bad state ${form.get("state")}` }
      }))
      const error = yield* Effect.flip(start(fake))
      assert.include(error.message, "withheld")
    })
  )

  it("may set none of its parameters by hand", () => {
    assert.isTrue(Option.isSome(AuthorizationRequest.check("Test", { parameters: { dpop_jkt: "x" } })))
  })
})

describe("an address that has to be opened by hand", () => {
  const shownBy = (expires_in: unknown, more: object) =>
    Effect.gen(function* () {
      let pushes = 0
      const fake = FakeServer.make(({ url }) =>
        url.endsWith("/par")
          ? { status: 201, json: { request_uri: `urn:x:${++pushes}`, expires_in } }
          : { json: { access_token: "a1", token_type: "Bearer" } }
      )
      const shown: Array<string> = []
      const { acquire } = AuthorizationCode.make({
        server: server(),
        clientId: "shop",
        pushed: true,
        show: (text) => Effect.sync(() => void shown.push(...(text.match(/request_uri=\S+/g) ?? []))),
        ...more
      })
      const need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" } as const
      const fiber = yield* Effect.fork(Effect.provide(acquire(need), fake.layer))
      const settled = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const after = (seconds: number) => Effect.zipRight(TestClock.adjust(Duration.seconds(seconds)), settled)
      const until = (count: number) => Effect.repeat(settled, { until: () => Effect.sync(() => shown.length >= count) })
      yield* until(1)
      return { after, fake, fiber, shown, until }
    })
  const named = (...all: ReadonlyArray<number>) => all.map((n) => `request_uri=urn%3Ax%3A${n}`)

  it.effect("is pushed again when it has expired, for the same login (S229)", () =>
    Effect.gen(function* () {
      const { after, fake, fiber, shown, until } = yield* shownBy(90, { open: false })
      yield* after(89)
      assert.deepStrictEqual(shown, named(1))
      yield* after(1)
      yield* until(2)
      assert.deepStrictEqual(shown, named(1, 2))
      yield* after(90)
      yield* until(3)
      assert.deepStrictEqual(shown, named(1, 2, 3))
      const [first, ...others] = fake.seen.map(({ text }) => text)
      for (const other of others) assert.strictEqual(other, first)
      // The answer to any of them ends the login.
      const form = fake.seen[0]!.form
      const answer = yield* Effect.promise(() => visit(`${form.get("redirect_uri")}?code=c&state=${form.get("state")}`))
      assert.include(answer.text, "You are logged in")
      assert.strictEqual(Redacted.value((yield* Fiber.join(fiber)).accessToken), "a1")
      yield* after(600)
      assert.strictEqual(shown.length, 3)
    })
  )

  it.effect("counts as good for a minute if the server does not say how long it is", () =>
    Effect.gen(function* () {
      const { after, fiber, shown, until } = yield* shownBy("soon", { open: () => Effect.fail("there is no display") })
      yield* after(59)
      assert.strictEqual(shown.length, 1)
      yield* after(1)
      yield* until(2)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("is not shown again where a browser was opened, and not after the login's time", () =>
    Effect.gen(function* () {
      const { after, fiber, shown } = yield* shownBy(90, { open: () => Effect.void, loginTimeLimit: "3 minutes" })
      yield* after(180)
      const { reason } = yield* Effect.flip(Fiber.join(fiber))
      assert.deepInclude(reason, { _tag: "Interaction", kind: "TimedOut" })
      assert.strictEqual(shown.length, 1)
    })
  )
})

it.scopedLive("a real server that takes no other logins opens the one that was pushed", () =>
  Effect.gen(function* () {
    const issuer = yield* listen((request, response) => handle(request, response))
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: "shop",
          client_secret: "s3cret",
          grant_types: ["authorization_code"],
          redirect_uris: [redirectUri],
          response_types: ["code"]
        }
      ],
      scopes: ["openid"],
      features: {
        devInteractions: { enabled: false },
        dPoP: { enabled: true },
        pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true }
      },
      interactions: { url: () => "/login" }
    })
    const handle = provider.callback()
    const options = { issuer, clientId: "shop", clientSecret: "s3cret", redirectUri, scope: ["openid"] }
    const visit = (url: string) =>
      Effect.map(
        Effect.promise(() => fetch(url, { redirect: "manual" })),
        (response) => response.headers.get("location")
      )
    const pushed = yield* AuthorizationCode.start({ ...options, authorization: DPoP.make() })
    assert.include(pushed.url, "request_uri=")
    assert.notInclude(pushed.url, "scope")
    assert.strictEqual(yield* visit(pushed.url), "/login")
    const plain = yield* AuthorizationCode.start({ ...options, pushed: false })
    assert.include((yield* visit(plain.url)) ?? "", "error=invalid_request")
    const refused = yield* Effect.exit(AuthorizationCode.start({ ...options, clientSecret: "wrong" }))
    assert.isTrue(Exit.isFailure(refused))
  }).pipe(Effect.provide(FetchHttpClient.layer))
)

it.effect("an endpoint by itself can push an address made by hand", () =>
  Effect.gen(function* () {
    const fake = FakeServer.make(accepted)
    const endpoint = TokenEndpoint.make("Test", { server: server(), clientId: "shop" })
    const url = `${authorizationEndpoint}?response_type=code&client_id=shop&display=page`
    const short = yield* Effect.provide(TokenEndpoint.pushAuthorization(endpoint, url), fake.layer)
    assert.strictEqual(short.url, `${authorizationEndpoint}?client_id=shop&request_uri=urn%3Ax%3A1`)
    assert.strictEqual(Duration.toSeconds(short.expiresIn), 60)
    assert.strictEqual(fake.seen[0]!.text, "response_type=code&display=page&client_id=shop")
  })
)
