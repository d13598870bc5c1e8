import type * as HttpClient from "@effect/platform/HttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import { inspect } from "node:util"
import * as Live from "../../examples/support/authorizationServer.ts"
import * as AuthorizationServer from "../../src/AuthorizationServer.ts"
import * as Credentials from "../../src/Credentials.ts"
import type { RefreshError } from "../../src/CredentialsError.ts"
import * as IdToken from "../../src/IdToken.ts"
import * as AuthorizationCode from "../../src/providers/AuthorizationCode.ts"
import * as Provider from "../../src/Provider.ts"
import * as Testing from "../../src/Testing.ts"
import * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { callbackOf, isOpen, raw, silent, visit, type Visited } from "../support/browser.ts"
import { show } from "../support/engine.ts"
import { contract } from "./contract.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("base64url")

/** A server whose people are always logged in: codes are `c0de`, good for whoever asked last. */
const people = (more: Testing.Options = {}, claims: Readonly<Record<string, unknown>> = {}) => {
  let asked = new URLSearchParams()
  const server = Testing.authorizationServer({
    metadata: { authorization_endpoint: "https://id.test/authorize" },
    grants: {
      authorization_code: ({ parameters }, issue) =>
        parameters["code"] === "c0de" &&
        parameters["redirect_uri"] === asked.get("redirect_uri") &&
        /^[\w.~-]{43,128}$/.test(parameters["code_verifier"] ?? "") &&
        sha256(parameters["code_verifier"]!) === asked.get("code_challenge")
          ? issue({
              subject: "ada",
              scope: asked.get("scope")?.split(" "),
              idToken: { nonce: asked.get("nonce") ?? undefined, ...claims }
            })
          : Effect.succeed({ status: 400, json: { error: "invalid_grant" } })
    },
    ...more
  })
  return {
    ...server,
    server,
    /** What the token endpoint was asked. */
    exchanges: () => server.tokenEndpoint.requests,
    asks: (login: string) => (asked = new URL(login).searchParams)
  }
}

type People = ReturnType<typeof people>

const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
const quiet = { show: () => Effect.void }

interface Begun {
  readonly url: string
  readonly params: URLSearchParams
  readonly port: number
  readonly callback: (answer?: Readonly<Record<string, string>>) => string
  readonly fiber: Fiber.Fiber<Token.Token, RefreshError>
}

/** A login up to the moment when the browser opens. */
const begun = (id: People, more: Partial<AuthorizationCode.Options> = {}) =>
  Effect.gen(function* () {
    const opened = yield* Deferred.make<string>()
    const provider = AuthorizationCode.make({
      issuer: id.issuer,
      clientId: "me",
      ...quiet,
      open: (url: string) => Deferred.succeed(opened, url),
      ...more
    } as AuthorizationCode.Options)
    const fiber = yield* Effect.fork(Effect.provide(provider.acquire(first), id.layer))
    const url = yield* Effect.raceFirst(
      Deferred.await(opened),
      Effect.flatMap(Fiber.join(fiber), () => Effect.dieMessage("it ended before a browser opened"))
    )
    const params = id.asks(url)
    const port = Number(new URL(params.get("redirect_uri")!).port)
    return { url, params, port, callback: (answer) => callbackOf(url, answer), fiber } as Begun
  })

const at = <A>(promise: () => Promise<A>) => Effect.promise(promise)
const get = (url: string, headers: Readonly<Record<string, string>> = {}) => {
  const { host, pathname, port, search } = new URL(url)
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return at(() => raw(Number(port), `GET ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`))
}
const request = (port: number, text: string) => at(() => raw(port, text))
const statusOf = (answer: string | undefined) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer ?? "")?.[1])
const reasonOf = (fiber: Fiber.Fiber<Token.Token, RefreshError>) =>
  Effect.map(Effect.flip(Fiber.join(fiber)), (_) => _.reason)

describe("AuthorizationCode", () => {
  const shared = people()
  const visiting = (url: string) => {
    shared.asks(url)
    return visit(callbackOf(url))
  }
  contract<HttpClient.HttpClient>({
    name: "AuthorizationCode",
    make: () =>
      AuthorizationCode.make({
        issuer: shared.issuer,
        clientId: "me",
        clientSecret: "c4nary",
        open: visiting,
        ...quiet
      }),
    failing: () =>
      AuthorizationCode.make({
        issuer: shared.issuer,
        clientId: "me",
        clientSecret: "c4nary",
        open: (url) => visit(callbackOf(url, { code: "c4nary-wrong" })),
        ...quiet
      }),
    secrets: ["c4nary", "c0de"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, shared.layer))
  })

  describe("a login", () => {
    it.effect(
      "asks with a fresh state and S256, offers the code once and proves it with the verifier (S204, S205, S220)",
      () =>
        Effect.gen(function* () {
          const id = people()
          const seen = []
          for (const _ of [1, 2]) {
            const login = yield* begun(id, { scope: ["openid", "read"], loginHint: "ada", prompt: "login" })
            seen.push(login.params)
            assert.strictEqual(login.url.split("?")[0], "https://id.test/authorize")
            assert.strictEqual(login.params.get("code_challenge_method"), "S256")
            assert.strictEqual(login.params.get("redirect_uri"), `http://127.0.0.1:${login.port}/callback`)
            assert.strictEqual(login.params.get("login_hint"), "ada")
            yield* at(() => visit(login.callback()))
            const token = yield* Fiber.join(login.fiber)
            assert.deepStrictEqual(token.scope, ["openid", "read"])
          }
          for (const name of ["state", "code_challenge", "nonce"]) {
            assert.match(seen[0]!.get(name)!, /^[\w-]{43}$/)
            assert.notStrictEqual(seen[0]!.get(name), seen[1]!.get(name))
          }
          assert.deepStrictEqual(
            id.exchanges().map(({ parameters }) => Object.keys(parameters).sort()),
            Array(2).fill(["client_id", "code", "code_verifier", "grant_type", "redirect_uri"])
          )
          const verifiers = id.exchanges().map(({ parameters }) => parameters["code_verifier"]!)
          assert.strictEqual(new Set(verifiers).size, 2)
          for (const verifier of verifiers) {
            assert.match(verifier, /^[\w-]{43}$/)
            // The browser's history and proxies see all of the address.
            for (const params of seen) assert.notInclude(params.toString(), verifier)
          }
        })
    )

    it.effect("listens on 127.0.0.1 and ::1 before the browser opens, and nowhere else (S202, S215)", () =>
      Effect.gen(function* () {
        const login = yield* begun(people())
        assert.isTrue(yield* at(() => isOpen(login.port)))
        const others = Object.values(os.networkInterfaces()).flatMap((addresses) =>
          (addresses ?? []).filter(({ internal }) => !internal)
        )
        for (const { address, family, scopeid } of others as ReadonlyArray<os.NetworkInterfaceInfoIPv6>) {
          const host = String(family).includes("6") && scopeid > 0 ? undefined : address
          if (host !== undefined) assert.isFalse(yield* at(() => isOpen(login.port, host)), host)
        }
        assert.isFalse(yield* at(() => isOpen(login.port, "127.0.0.2")))
        const hasV6 = Object.values(os.networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
        if (hasV6) {
          const answer = yield* at(() =>
            raw(login.port, `GET /callback HTTP/1.1\r\nhost: [::1]:${login.port}\r\n\r\n`, "::1")
          )
          assert.strictEqual(statusOf(answer), 400)
        }
        yield* Fiber.interrupt(login.fiber)
      })
    )

    it.effect("leads the browser to a page without the code, and tells it how it ended (S207, S211)", () =>
      Effect.gen(function* () {
        const id = people()
        const login = yield* begun(id)
        const page: Visited = yield* at(() => visit(login.callback()))
        yield* Fiber.join(login.fiber)
        assert.strictEqual(page.url, `http://127.0.0.1:${login.port}/callback/done`)
        assert.strictEqual(page.status, 200)
        assert.include(page.text, "You are logged in")
        assert.notInclude(page.text, "c0de")
        assert.notMatch(page.text, /<script|<img|<iframe|src=|url\(|@import|https?:/)
        const style = /<style>([^]*)<\/style>/.exec(page.text)![1]!
        const policy = page.headers.get("content-security-policy")!
        assert.match(policy, /^default-src 'none'; /)
        assert.include(policy, `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`)
        assert.notInclude(policy, "unsafe")
        assert.strictEqual(page.headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(page.headers.get("referrer-policy"), "no-referrer")
        assert.strictEqual(page.headers.get("cache-control"), "no-store")
        assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
        assert.isNull(page.headers.get("access-control-allow-origin"))
        assert.isFalse(yield* at(() => isOpen(login.port)))
      })
    )

    it.effect("a code that is refused is not offered again, and the page says that the login failed (S211, S221)", () =>
      Effect.gen(function* () {
        const id = people()
        const login = yield* begun(id)
        const page = yield* at(() => visit(login.callback({ code: "stolen" })))
        const reason = yield* reasonOf(login.fiber)
        assert.isTrue(reason._tag === "Rejected" && reason.code === "invalid_grant")
        assert.include(page.text, "The login failed")
        assert.include(page.text, "invalid_grant")
        assert.strictEqual(id.exchanges().length, 1)
      })
    )

    it.effect("an answer of the token endpoint that is lost is ambiguous: the code may be spent (S221)", () =>
      Effect.gen(function* () {
        const id = people()
        id.tokenEndpoint.answerNext({ lost: "answer" })
        const login = yield* begun(id)
        yield* at(() => visit(login.callback()))
        assert.strictEqual((yield* reasonOf(login.fiber))._tag, "Ambiguous")
        assert.strictEqual(id.exchanges().length, 1)
      })
    )

    it.effect(
      "a person who says no has denied it: nothing is exchanged, and what the server says is text (S207, S209)",
      () =>
        Effect.gen(function* () {
          const id = people()
          const login = yield* begun(id)
          const answer = { error: "access_denied", error_description: `</p><script>alert("x")</script>&'\`\u2028` }
          const page = yield* at(() => visit(login.callback(answer)))
          const reason = yield* reasonOf(login.fiber)
          assert.isTrue(reason._tag === "Interaction" && reason.kind === "Denied")
          assert.include(page.text, "The login was denied")
          assert.include(page.text, "&#60;/p&#62;&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;&#38;&#39;&#96;")
          assert.notInclude(page.text, "<script")
          assert.strictEqual(id.exchanges().length, 0)
        })
    )

    it.effect("nobody comes back: after 5 minutes it has timed out, and the port is free (S209)", () =>
      Effect.gen(function* () {
        const login = yield* begun(people())
        yield* TestClock.adjust("299 seconds")
        assert.isTrue(yield* at(() => isOpen(login.port)))
        yield* TestClock.adjust("1 second")
        const reason = yield* reasonOf(login.fiber)
        assert.isTrue(reason._tag === "Interaction" && reason.kind === "TimedOut")
        assert.isFalse(yield* at(() => isOpen(login.port)))
      })
    )

    it.effect("iss must be the issuer that was asked; otherwise nothing is exchanged (S208)", () =>
      Effect.gen(function* () {
        for (const [answer, is] of [
          [{ code: "c0de", iss: "https://evil.test" }, "refused"],
          [{ code: "c0de" }, "refused"],
          [{ code: "c0de", iss: "https://id.test" }, "taken"]
        ] as const) {
          const id = people()
          const server = {
            issuer: id.issuer,
            token_endpoint: id.tokenEndpoint.url,
            authorization_endpoint: "https://id.test/authorize",
            authorization_response_iss_parameter_supported: true
          }
          const login = yield* begun(id, { issuer: undefined, server: AuthorizationServer.make(server) } as object)
          yield* at(() => visit(login.callback(answer)))
          const result = yield* Effect.either(Fiber.join(login.fiber))
          assert.strictEqual(Either.isRight(result), is === "taken")
          assert.strictEqual(id.exchanges().length, is === "taken" ? 1 : 0)
        }
      })
    )
  })

  describe("who logs in", () => {
    const openid = { scope: ["openid", "read"] }
    const elsewhere = "https://other.test"

    it.effect.each<[string, Readonly<Record<string, unknown>>, string]>([
      ["made for another login", { nonce: "another" }, "nonce"],
      ["made for no login", { nonce: undefined }, "nonce"],
      ["for another client", { aud: "you" }, "aud"],
      ["of another issuer", { iss: elsewhere }, "iss"],
      ["that has expired", { exp: -31 }, "exp"],
      ["beside another access token", { at_hash: "c2l4dGVlbiBieXRlcw" }, "at_hash"]
    ])("an ID token %s is refused, and the page says so (S211, S224, S274)", ([, claims, part]) =>
      Effect.gen(function* () {
        const login = yield* begun(people({}, claims), openid)
        const page = yield* at(() => visit(login.callback()))
        const reason = yield* reasonOf(login.fiber)
        assert.include(reason._tag === "InvalidResponse" ? reason.description : "", `the ID token is refused, ${part}:`)
        assert.include(page.text, "The login failed")
      })
    )

    it.effect("is another one than was expected: nothing is stored (S228)", () =>
      Effect.gen(function* () {
        const id = people({}, { email: "eve@example.com" })
        const pages: Array<Promise<Visited>> = []
        const provider = AuthorizationCode.make({
          issuer: id.issuer,
          clientId: "me",
          ...openid,
          expected: { sub: "ada", email: "ada@example.com" },
          ...quiet,
          open: async (url) => {
            id.asks(url)
            pages.push(visit(callbackOf(url)))
          }
        }).pipe(Provider.persisted("key"))
        const error = yield* Effect.flip(Effect.provide(provider.acquire(first), id.layer))
        assert.deepStrictEqual(error.reason, { _tag: "WrongUser", claim: "email" })
        assert.isFalse(error.isRetryable)
        const [page] = yield* Effect.promise(() => Promise.all(pages))
        assert.include(page!.text, "another user than the expected one logged in (email differs)")
        assert.deepStrictEqual(yield* Effect.flatMap(TokenStore.TokenStore, (store) => store.list), [])
      }).pipe(Effect.provide(TokenStore.layerMemory()))
    )

    const opening = (id: People, opened: Array<string>) => (url: string) => {
      opened.push(url)
      id.asks(url)
      return visit(callbackOf(url))
    }

    it.effect("stays the same in renewals, and in a login that takes the place of another (S228, S283)", () =>
      Effect.gen(function* () {
        const id = people()
        const opened: Array<string> = []
        const options = { issuer: id.issuer, clientId: "me", ...openid, ...quiet, open: opening(id, opened) }
        const { acquire } = AuthorizationCode.make(options)
        const acquiring = (previous: Option.Option<Token.Token>) =>
          Effect.provide(acquire({ ...first, previous }), id.layer)
        const token = yield* acquiring(Option.none())
        const next = yield* acquiring(Option.some(token))
        assert.strictEqual(opened.length, 1)
        // Metadata and keys were fetched once for all of it.
        assert.deepStrictEqual([id.discovery.requests.length, id.keys.requests.length], [1, 1])

        const eve = yield* id.login({ clientId: "me", subject: "eve", scope: openid.scope })
        const answer = { access_token: show(eve), id_token: Redacted.value(Option.getOrThrow(eve.idToken)) }
        id.tokenEndpoint.answerNext({ json: { ...answer, token_type: "Bearer" } })
        const renewed = yield* Effect.flip(acquiring(Option.some(next)))
        assert.deepStrictEqual(renewed.reason, { _tag: "WrongUser", claim: "sub" })

        const before = Token.make({ ...eve, refreshToken: Option.some(Redacted.make("spent")) })
        const again = yield* Effect.flip(acquiring(Option.some(before)))
        assert.deepStrictEqual([again.reason, opened.length], [{ _tag: "WrongUser", claim: "sub" }, 2])
        const own = Token.make({ ...next, refreshToken: Option.some(Redacted.make("spent")) })
        assert.isTrue(Option.isSome((yield* acquiring(Option.some(own))).idToken))
      })
    )

    it.effect("who logs in in place of another does not take over what is stored (S228)", () =>
      Effect.gen(function* () {
        const claims: { sub?: string } = {}
        const id = people({}, claims)
        const options = { issuer: id.issuer, clientId: "me", ...openid, ...quiet, open: opening(id, []) }
        const { acquire } = AuthorizationCode.make(options).pipe(Provider.persisted("key"))
        const token = yield* Effect.provide(acquire(first), id.layer)
        id.endSessions()
        claims.sub = "eve"
        const again = acquire({ ...first, previous: Option.some(token) })
        const { reason } = yield* Effect.flip(Effect.provide(again, id.layer))
        assert.deepStrictEqual(reason, { _tag: "WrongUser", claim: "sub" })
        const stored = yield* Effect.flatMap(TokenStore.TokenStore, (store) => store.get("key"))
        assert.strictEqual(show(Option.getOrThrow(stored)), show(token))
      }).pipe(Effect.provide(TokenStore.layerMemory()))
    )

    it.effect("is not asked while the issuer's keys are not to be had", () =>
      Effect.gen(function* () {
        const id = people()
        id.keys.answerAlways({ status: 503 })
        const opened: Array<string> = []
        const provider = AuthorizationCode.make({
          issuer: id.issuer,
          clientId: "me",
          ...openid,
          open: (url) => void opened.push(url)
        })
        const error = yield* Effect.flip(Effect.provide(provider.acquire(first), id.layer))
        assert.deepStrictEqual(
          [error.provider, error.reason._tag, opened.length],
          ["AuthorizationCode", "Unavailable", 0]
        )
      })
    )

    it.effect("is anybody where verification is off, but the login is still ours (S224)", () =>
      Effect.gen(function* () {
        for (const [claims, isTaken] of [
          [{ aud: "you", iss: elsewhere }, true],
          [{ nonce: "another" }, false],
          [{ nonce: undefined }, false]
        ] as const) {
          const id = people({}, claims)
          const login = yield* begun(id, { ...openid, idToken: false })
          yield* at(() => visit(login.callback()))
          assert.strictEqual(Either.isRight(yield* Effect.either(Fiber.join(login.fiber))), isTaken)
          assert.strictEqual(id.keys.requests.length, 0)
        }
      })
    )

    it.effect("is looked at by a verifier of one's own, also without openid in the scope", () =>
      Effect.gen(function* () {
        const id = people()
        const verifier = IdToken.verifier({ server: id.issuer, clientId: "another" })
        const login = yield* begun(id, { ...openid, idToken: verifier })
        yield* at(() => visit(login.callback()))
        assert.include((yield* Effect.flip(Fiber.join(login.fiber))).message, "aud")
        const without = yield* begun(id, { idToken: verifier })
        yield* at(() => visit(without.callback()))
        assert.include((yield* Effect.flip(Fiber.join(without.fiber))).message, "ask for the scope openid")
      })
    )
  })

  describe("what is not the answer", () => {
    it.effect(
      "is answered and ignored: paths, methods, hosts, states; the right answer still works (S204, S206, S216, S225, S226)",
      () =>
        Effect.gen(function* () {
          const id = people()
          const login = yield* begun(id)
          const { port } = login
          const state = login.params.get("state")!
          const line = (first: string, host = `127.0.0.1:${port}`) => `${first} HTTP/1.1\r\nhost: ${host}\r\n\r\n`
          const right = `/callback?code=c0de&state=${state}`
          const cases: ReadonlyArray<readonly [number, string]> = [
            [404, line("GET /favicon.ico")],
            [404, line("GET /")],
            [404, line(`GET /callback/?code=c0de&state=${state}`)],
            [404, line(`GET /Callback?code=c0de&state=${state}`)],
            [404, line(`GET /%63allback?code=c0de&state=${state}`)],
            [404, line(`GET /x/../callback?code=c0de&state=${state}`)],
            [404, line("GET /callback/done")],
            [404, line("GET /callback/done?next=https://evil.test")],
            [405, line(`HEAD ${right}`)],
            [405, line(`POST ${right}`)],
            [405, line(`PUT ${right}`)],
            [405, line(`OPTIONS ${right}`)],
            [400, line("GET /callback")],
            [400, line("GET /callback?code=c0de")],
            [400, line("GET /callback?code=c0de&state=guessed")],
            [400, line("GET /callback?error=access_denied")],
            [400, line(`${right.replace("?", `?state=${state}&`)}`.replace(/^/, "GET "))],
            [400, line(`GET ${right}&pad=${"x".repeat(8_192)}`)],
            [400, line(`GET http://127.0.0.1:${port}${right}`)],
            [400, line(`get ${right}`)],
            [400, `GET ${right}\r\n\r\n`],
            [400, `GET ${right} HTTP/2.0\r\nhost: 127.0.0.1:${port}\r\n\r\n`],
            [400, "\r\n\r\n"],
            [400, "\u0016\u0003\u0001\u0002 TLS\r\n\r\n"],
            ...[
              ...[
                "evil.test",
                `evil.test:${port}`,
                `127.0.0.1.nip.io:${port}`,
                `localhost:${port}`,
                `LOCALHOST:${port}`
              ],
              ...[`localhost.:${port}`, "127.0.0.1", `127.0.0.1:${port + 1}`, `127.1:${port}`, `0.0.0.0:${port}`, ""]
            ].map((host) => [403, line(`GET ${right}`, host)] as const),
            [403, `GET ${right} HTTP/1.1\r\n\r\n`],
            [403, `GET ${right} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nHost: evil.test\r\n\r\n`],
            [403, `GET ${right} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nHost: 127.0.0.1:${port}\r\n\r\n`]
          ]
          for (const [status, text] of cases) {
            const answer = yield* request(port, text)
            assert.strictEqual(statusOf(answer), status, text.slice(0, 120))
            assert.match(answer!, /\r\nx-content-type-options: nosniff\r\n/)
            assert.match(answer!, /\r\ncontent-security-policy: default-src 'none'\r\n/)
            assert.notMatch(answer!, /access-control|location:/i)
            assert.notInclude(answer!, state)
            assert.notInclude(answer!, "guessed")
          }
          assert.strictEqual(id.exchanges().length, 0)
          yield* at(() => visit(login.callback()))
          yield* Fiber.join(login.fiber)
          assert.strictEqual(id.exchanges().length, 1)
        })
    )

    it.effect(
      "fifty answers at once: the first is taken, who waits sees the page, and the code is offered once (S210)",
      () =>
        Effect.gen(function* () {
          const id = people()
          id.tokenEndpoint.answerNext({ delay: "1 second" })
          const login = yield* begun(id)
          const visits = yield* Effect.fork(
            Effect.all(
              Array.from({ length: 50 }, () => Effect.either(Effect.tryPromise(() => visit(login.callback())))),
              { concurrency: "unbounded" }
            )
          )
          while (id.exchanges().length === 0) yield* at(() => new Promise((resolve) => setImmediate(resolve)))
          const late = yield* get(login.callback({ code: "another" }))
          assert.match(late!, /^HTTP\/1\.1 303 .*\r\nlocation: \/callback\/done\r\n/s)
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(login.fiber)
          assert.strictEqual(id.exchanges().length, 1)
          assert.strictEqual(id.exchanges()[0]!.parameters["code"], "c0de")
          const pages = (yield* Fiber.join(visits)).filter(Either.isRight)
          assert.isAbove(pages.length, 0)
          for (const { right } of pages) assert.include(right.text, "You are logged in")
        })
    )

    it.effect("a body is never read, whatever its size (S218)", () =>
      Effect.gen(function* () {
        const login = yield* begun(people())
        const answer = yield* request(
          login.port,
          `POST /callback HTTP/1.1\r\nhost: 127.0.0.1:${login.port}\r\ncontent-length: 1048576\r\n\r\n${"x".repeat(1_048_576)}`
        )
        assert.strictEqual(statusOf(answer), 405)
        yield* Fiber.interrupt(login.fiber)
      })
    )

    it.effect(
      "three hundred silent connections do not keep the browser out; each is dropped after 5 seconds (S217)",
      () =>
        Effect.gen(function* () {
          const id = people()
          const login = yield* begun(id)
          const dripping = `GET /callback HTTP/1.1\r\nhost: 127.0.0.1:${login.port}\r\n`
          const all = yield* at(async () => {
            const connected: Array<Awaited<ReturnType<typeof silent>>> = []
            // Not more at a time than a system lets wait.
            for (let wave = 0; wave < 3; wave++) {
              const some = Array.from({ length: 100 }, (_, n) => silent(login.port, n % 2 === 0 ? "" : dripping))
              connected.push(...(await Promise.all(some)))
            }
            return connected
          })
          assert.strictEqual(statusOf(yield* get(`http://127.0.0.1:${login.port}/favicon.ico`)), 404)
          yield* TestClock.adjust("5 seconds")
          yield* at(() => Promise.all(all.map(({ gone }) => gone)))
          yield* at(() => visit(login.callback()))
          yield* Fiber.join(login.fiber)
        }),
      30_000
    )

    it.effect("a head without end is cut off", () =>
      Effect.gen(function* () {
        const login = yield* begun(people())
        const answer = yield* request(login.port, `GET /callback HTTP/1.1\r\ncookie: ${"x".repeat(70_000)}`)
        assert.strictEqual(statusOf(answer), 400)
        yield* Fiber.interrupt(login.fiber)
      })
    )
  })

  describe("when it is over", () => {
    /** Servers and programs that this process still has after a while; nothing where a runtime does not tell. */
    const remaining = at(async () => {
      const now = () =>
        "Deno" in globalThis || "Bun" in globalThis
          ? []
          : process.getActiveResourcesInfo().filter((name) => /^(TCPServer|Process)Wrap$/.test(name))
      for (let turn = 0; turn < 100 && now().length > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
      return now()
    })

    it.effect("an interrupted login leaves nothing: not with silent, half-sent, or waiting connections (S203)", () =>
      Effect.gen(function* () {
        for (const kind of ["none", "silent", "half", "waiting for the page"] as const) {
          const id = people()
          id.tokenEndpoint.answerAlways({ delay: Infinity })
          const login = yield* begun(id)
          const state = login.params.get("state")!
          const connection =
            kind === "none"
              ? { gone: Promise.resolve(), close: () => {} }
              : yield* at(() => silent(login.port, kind === "silent" ? "" : "GET /callback HTTP/1.1\r\nho"))
          if (kind === "waiting for the page") {
            yield* get(`http://127.0.0.1:${login.port}/callback?code=c0de&state=${state}`)
            while (id.exchanges().length === 0) yield* at(() => new Promise((resolve) => setImmediate(resolve)))
            const page = get(`http://127.0.0.1:${login.port}/callback/done`)
            const waiting = yield* Effect.fork(page)
            yield* Fiber.interrupt(login.fiber)
            const got = yield* Fiber.join(waiting)
            assert.isTrue(got === "" || got === undefined, String(got))
          } else yield* Fiber.interrupt(login.fiber)
          yield* at(() => connection.gone)
          assert.isFalse(yield* at(() => isOpen(login.port)), kind)
        }
        assert.deepStrictEqual(yield* remaining, [])
      })
    )

    it.effect("interrupted at any step of its beginning, it leaves no port behind", () =>
      Effect.gen(function* () {
        const opened: Array<string> = []
        for (let steps = 0; steps < 40; steps++) {
          const id = people()
          const provider = AuthorizationCode.make({
            issuer: id.issuer,
            clientId: "me",
            ...quiet,
            open: (url) => void opened.push(url)
          })
          const fiber = yield* Effect.fork(Effect.provide(provider.acquire(first), id.layer))
          for (let step = 0; step < steps; step++) yield* at(() => new Promise((resolve) => setImmediate(resolve)))
          yield* Fiber.interrupt(fiber)
        }
        assert.isAbove(opened.length, 0)
        for (const url of opened) {
          const port = Number(new URL(new URL(url).searchParams.get("redirect_uri")!).port)
          assert.isFalse(yield* at(() => isOpen(port)))
        }
        assert.deepStrictEqual(yield* remaining, [])
      })
    )

    it.effect("the page arrives whole before the port is closed, a hundred times (S212)", () =>
      Effect.gen(function* () {
        for (let n = 0; n < 100; n++) {
          const login = yield* begun(people())
          const redirect = yield* get(login.callback())
          assert.strictEqual(statusOf(redirect), 303)
          const page = yield* get(`http://127.0.0.1:${login.port}/callback/done`)
          yield* Fiber.join(login.fiber)
          const length = Number(/content-length: (\d+)/.exec(page ?? "")?.[1])
          assert.strictEqual(page!.split("\r\n\r\n")[1]!.length, length)
        }
      })
    )

    it.effect("a browser that never fetches the page holds nobody up for more than a second", () =>
      Effect.gen(function* () {
        const login = yield* begun(people())
        yield* get(login.callback())
        yield* TestClock.adjust("1 second")
        yield* Effect.repeat(TestClock.adjust("1 second"), {
          until: () => Effect.map(Fiber.poll(login.fiber), Option.isSome)
        })
        assert.strictEqual(show(yield* Fiber.join(login.fiber)), "at-1")
        assert.isFalse(yield* at(() => isOpen(login.port)))
      })
    )
  })

  describe("the port", () => {
    const occupied = (host: string) =>
      Effect.acquireRelease(
        Effect.async<{ readonly port: number; readonly server: net.Server }>((resume) => {
          const server = net.createServer()
          server.listen({ host, port: 0 }, () =>
            resume(Effect.succeed({ server, port: (server.address() as net.AddressInfo).port }))
          )
        }),
        ({ server }) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )

    it.scoped("that is in use is a failure that names it, and says what to do (S213, S214)", () =>
      Effect.gen(function* () {
        for (const host of ["127.0.0.1", "::1"]) {
          const { port } = yield* occupied(host)
          const id = people()
          let opened = 0
          const provider = AuthorizationCode.make({
            issuer: id.issuer,
            clientId: "me",
            redirectPort: port,
            open: () => void opened++,
            ...quiet
          })
          const error = yield* Effect.flip(Effect.provide(provider.acquire(first), id.layer))
          assert.strictEqual(error.reason._tag, "Source")
          assert.include(error.message, `port ${port}`)
          assert.include(error.message, "set redirectPort to 0")
          assert.isFalse(error.isRetryable)
          assert.strictEqual(opened, 0)
          assert.isFalse(yield* at(() => isOpen(port, host === "::1" ? "127.0.0.1" : "::1")))
        }
      })
    )

    /** The runtime's sockets, where listening goes wrong as `problem` says. */
    const sockets = (problem: (host: string, nth: number) => string | undefined) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const original = process.getBuiltinModule
          const servers: Array<net.Server> = []
          const createServer: typeof net.createServer = (...args: ReadonlyArray<any>) => {
            const server = (net.createServer as (...args: ReadonlyArray<any>) => net.Server)(...args)
            servers.push(server)
            const listen = server.listen.bind(server) as (...args: ReadonlyArray<any>) => net.Server
            return Object.assign(server, {
              listen: (options: { readonly host: string }, listening: () => void) => {
                const code = problem(options.host, servers.length)
                if (code === undefined) return listen(options, listening)
                queueMicrotask(() => server.emit("error", Object.assign(new Error(code), { code })))
                return server
              }
            })
          }
          process.getBuiltinModule = ((name: string) =>
            name === "net" ? { createServer } : original(name)) as typeof original
          return { original, servers }
        }),
        ({ original }) => Effect.sync(() => (process.getBuiltinModule = original))
      )

    for (const [missing, uri] of [
      ["127.0.0.1", "http://[::1]:"],
      ["::1", "http://127.0.0.1:"]
    ] as const) {
      it.scoped(`is one of the other family where there is no ${missing} (S215)`, () =>
        Effect.gen(function* () {
          yield* sockets((host) => (host === missing ? "EADDRNOTAVAIL" : undefined))
          const id = people()
          const login = yield* begun(id)
          assert.isTrue(login.params.get("redirect_uri")!.startsWith(uri), login.url)
          yield* at(() => visit(login.callback()))
          yield* Fiber.join(login.fiber)
          const named = yield* Effect.either(begun(people(), { redirectHost: missing === "::1" ? "[::1]" : missing }))
          assert.isTrue(Either.isLeft(named) && named.left.message.includes("this machine has no"))
        })
      )
    }

    it.scoped("that is free for one family only is left for another (S214)", () =>
      Effect.gen(function* () {
        const { servers } = yield* sockets((host, nth) => (host === "::1" && nth < 5 ? "EADDRINUSE" : undefined))
        const login = yield* begun(people())
        assert.deepStrictEqual(
          servers.flatMap((server) => (server.listening ? [(server.address() as net.AddressInfo).port] : [])),
          [login.port, login.port]
        )
        yield* at(() => visit(login.callback()))
        yield* Fiber.join(login.fiber)
      })
    )

    it.scoped("that is forbidden is a failure that names it", () =>
      Effect.gen(function* () {
        yield* sockets(() => "EACCES")
        const error = yield* Effect.flip(begun(people(), { redirectPort: 80 }))
        assert.strictEqual(error.reason._tag, "Source")
        assert.match(error.message, /port 80 .*EACCES/)
      })
    )

    it.scoped("can be fixed, with the name and the path that a server wants, login after login", () =>
      Effect.gen(function* () {
        const { port, server } = yield* occupied("127.0.0.1")
        yield* Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
        for (const [path, uri] of [
          ["", `http://localhost:${port}`],
          ["/", `http://localhost:${port}/`],
          ["/a/b", `http://localhost:${port}/a/b`]
        ] as const) {
          const id = people()
          const login = yield* begun(id, { redirectPort: port, redirectHost: "localhost", redirectPath: path })
          assert.strictEqual(login.params.get("redirect_uri"), uri)
          assert.strictEqual(statusOf(yield* get(uri, { host: `evil.test:${port}` })), 403)
          yield* at(() => visit(login.callback()))
          yield* Fiber.join(login.fiber)
        }
      })
    )
  })

  describe("asking the person", () => {
    const asking = (more: Partial<AuthorizationCode.Options>, pasted: Array<(url: string) => string> = []) =>
      Effect.gen(function* () {
        const id = people()
        const shown: Array<string> = []
        const said = yield* Deferred.make<string>()
        const provider = AuthorizationCode.make({
          issuer: id.issuer,
          clientId: "me",
          show: (text: string) =>
            Effect.suspend(() => {
              shown.push(text)
              const url = /^ {2}(https:.*)$/m.exec(text)?.[1]
              if (url === undefined) return Effect.void
              id.asks(url)
              return Deferred.succeed(said, url)
            }),
          ...(pasted.length === 0 ? {} : { paste: Effect.map(Deferred.await(said), (url) => pasted.shift()!(url)) }),
          ...more
        } as AuthorizationCode.Options)
        const fiber = yield* Effect.fork(Effect.provide(provider.acquire(first), id.layer))
        return { id, shown, fiber, url: yield* Deferred.await(said) }
      })

    it.effect("says where to go, on standard error, if nobody says otherwise (S223)", () =>
      Effect.gen(function* () {
        const id = people()
        const errors: Array<unknown> = []
        const console_: Console.Console = {
          ...globalConsole,
          error: (...args) => Effect.sync(() => void errors.push(...args))
        }
        const provider = AuthorizationCode.make({
          issuer: id.issuer,
          clientId: "me",
          open: (url) => {
            id.asks(url)
            return visit(callbackOf(url))
          }
        })
        yield* provider.acquire(first).pipe(Effect.provide(id.layer), Effect.withConsole(console_))
        assert.strictEqual(errors.length, 1)
        assert.match(String(errors[0]), /^Your browser opens for the login.*\n\n {2}https:\/\/id\.test\/authorize\?/)
        assert.notInclude(String(errors[0]), id.exchanges()[0]!.parameters["code_verifier"]!)
      })
    )

    for (const [how, open] of [
      ["fails", () => Effect.fail("there is no display")],
      [
        "throws",
        () => {
          throw new Error("no")
        }
      ],
      ["rejects", () => Promise.reject(new Error("no"))],
      ["dies", () => Effect.die("no")]
    ] as const) {
      it.effect(`where opening a browser ${how}, the person does it, and the login goes on (S223)`, () =>
        Effect.gen(function* () {
          const { fiber, shown, url } = yield* asking({ open })
          yield* at(() => visit(callbackOf(url)))
          assert.strictEqual(show(yield* Fiber.join(fiber)), "at-1")
          assert.match(shown[1]!, /^No browser could be opened \((there is no display|it failed)\)/)
        })
      )
    }

    it.effect("takes the address that the browser on another machine ended at, and asks again for a wrong one", () =>
      Effect.gen(function* () {
        const login = yield* asking({ open: false }, [
          () => "",
          () => "http://127.0.0.1:1/callback?code=c0de&state=guessed",
          (url) => ` ${callbackOf(url)}\n`
        ])
        assert.strictEqual(show(yield* Fiber.join(login.fiber)), "at-1")
        assert.strictEqual(login.id.exchanges().length, 1)
        assert.match(login.shown[0]!, /^To log in, open this address/)
        assert.match(login.shown[1]!, /Paste that address here:$/)
        assert.strictEqual(login.shown.filter((text) => text.startsWith("That is not the answer")).length, 2)
      })
    )

    it.effect("the browser may come back after all while the paste is awaited", () =>
      Effect.gen(function* () {
        const { fiber, url } = yield* asking({ open: false, paste: Effect.never })
        yield* at(() => visit(callbackOf(url)))
        assert.strictEqual(show(yield* Fiber.join(fiber)), "at-1")
      })
    )

    it.effect("who ends the paste has cancelled the login", () =>
      Effect.gen(function* () {
        const { fiber } = yield* asking({ open: false, paste: Effect.fail("quit") })
        const reason = yield* reasonOf(fiber)
        assert.isTrue(reason._tag === "Interaction" && reason.kind === "Cancelled")
      })
    )
  })

  describe("later", () => {
    const opening = (id: People, opened: Array<string>) => ({
      issuer: id.issuer,
      clientId: "me",
      ...quiet,
      open: (url: string) => {
        opened.push(url)
        id.asks(url)
        return visit(callbackOf(url))
      }
    })

    it.effect("spends the refresh token, and opens nothing", () =>
      Effect.gen(function* () {
        const id = people()
        const opened: Array<string> = []
        yield* Effect.gen(function* () {
          const provider = AuthorizationCode.make(opening(id, opened))
          const token = yield* provider.acquire(first)
          const next = yield* provider.acquire({ ...first, previous: Option.some(token), interaction: "forbidden" })
          assert.deepStrictEqual([show(token), show(next)], ["at-1", "at-2"])
          assert.strictEqual(opened.length, 1)
          yield* provider.revoke([next])
          assert.strictEqual(id.revoked.length, 2)
        }).pipe(Effect.provide(id.layer))
      })
    )

    it.scoped("many callers share one login, and one browser opens (S222)", () =>
      Effect.gen(function* () {
        const id = people()
        const opened: Array<string> = []
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.make(AuthorizationCode.make(opening(id, opened)))
          const tokens = yield* Effect.all(
            Array.from({ length: 20 }, () => credentials.token),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(new Set(tokens.map(show)), new Set(["at-1"]))
        }).pipe(Effect.provide(id.layer))
        assert.deepStrictEqual([opened.length, id.exchanges().length], [1, 1])
      })
    )

    it.effect("a person is needed where none may be asked: nothing is opened, no port, no request", () =>
      Effect.gen(function* () {
        const id = people()
        const opened: Array<string> = []
        const provider = AuthorizationCode.make(opening(id, opened))
        const error = yield* Effect.flip(
          Effect.provide(provider.acquire({ ...first, interaction: "forbidden" }), id.layer)
        )
        assert.isTrue(error.reason._tag === "Interaction" && error.reason.kind === "Forbidden")
        assert.deepStrictEqual([opened.length, id.requests.length], [0, 0])
      })
    )

    it.scoped("a session that ended is a new login for who waits, and an error in the background", () =>
      Effect.gen(function* () {
        const id = people()
        const opened: Array<string> = []
        yield* Effect.gen(function* () {
          const credentials = yield* Credentials.make(AuthorizationCode.make(opening(id, opened)))
          const token = yield* credentials.token
          id.endSessions()
          const provider = AuthorizationCode.make(opening(id, opened))
          const need = { ...first, previous: Option.some(token) }
          const error = yield* Effect.flip(provider.acquire({ ...need, interaction: "forbidden" }))
          assert.isTrue(error.reason._tag === "Interaction" && error.reason.kind === "Forbidden")
          assert.strictEqual(opened.length, 1)
          const next = yield* credentials.renew(token)
          assert.strictEqual(opened.length, 2)
          assert.notStrictEqual(show(next), show(token))
        }).pipe(Effect.provide(id.layer))
      })
    )
  })

  describe("options", () => {
    it.effect("that cannot work fail the layer by name, and nothing is sent (S259)", () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [string, object]> = [
          ["redirectPort", { redirectPort: -1 }],
          ["redirectPort", { redirectPort: 65_536 }],
          ["redirectPort", { redirectPort: 1.5 }],
          ["redirectPort", { redirectPort: NaN }],
          ["redirectPath", { redirectPath: "callback" }],
          ["redirectPath", { redirectPath: "/a b" }],
          ["redirectPath", { redirectPath: "/a?b" }],
          ["redirectPath", { redirectPath: "/a#b" }],
          ["redirectPath", { redirectPath: "/a\r\nlocation: x" }],
          ["loginTimeLimit", { loginTimeLimit: 0 }],
          ["loginTimeLimit", { loginTimeLimit: Infinity }],
          ["scope", { scope: ["a b"] }],
          ["scope", { scope: ["openid", "read", "openid"] }],
          ["prompt", { prompt: ["none", "login"] }],
          ["parameters", { parameters: { response_type: "token" } }],
          ["clientId", { clientId: "" }],
          ["issuer", { issuer: "http://id.example.com" }],
          ["expected", { expected: { sub: "ada" } }],
          ["expected", { expected: { sub: "ada" }, scope: ["openid"], idToken: false }],
          [
            "server",
            {
              idToken: IdToken.verifier({
                server: AuthorizationServer.make({ token_endpoint: "https://id.test/" }),
                clientId: "me"
              })
            }
          ]
        ]
        for (const [option, more] of cases) {
          const id = people()
          const options = { issuer: id.issuer, clientId: "me", ...more } as AuthorizationCode.Options
          const error = yield* Effect.flip(
            Effect.scoped(Layer.build(Layer.provide(AuthorizationCode.layer(options), id.layer)))
          )
          assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", option], inspect(more))
          assert.strictEqual(id.requests.length, 0)
        }
      })
    )

    it.effect("metadata without an authorization endpoint is an error that names the member, at first use", () =>
      Effect.gen(function* () {
        const id = Testing.authorizationServer({ metadata: { authorization_endpoint: undefined } })
        const provider = AuthorizationCode.make({ issuer: id.issuer, clientId: "me", ...quiet, open: false })
        const error = yield* Effect.flip(Effect.provide(provider.acquire(first), id.layer))
        assert.strictEqual(error.reason._tag, "InvalidResponse")
        assert.match(error.message, /^AuthorizationCode: .*metadata has no authorization_endpoint/)
      })
    )

    it("two people of one client never share a key", () => {
      const key = (more: object) => AuthorizationCode.make({ issuer: "https://id.test", clientId: "me", ...more }).key
      const expected = (sub: string) => ({ scope: ["openid"], expected: { sub } })
      const others = [
        { loginHint: "ada" },
        { loginHint: "grace" },
        { scope: ["openid"] },
        expected("ada"),
        expected("grace")
      ]
      const keys = [{}, ...others].map((more) => key(more))
      assert.strictEqual(new Set(keys.map((key) => JSON.stringify(key))).size, keys.length)
    })

    it.effect("come from the environment: ISSUER, CLIENT_ID and, if set, CLIENT_SECRET and SCOPE", () =>
      Effect.gen(function* () {
        const id = people()
        const environment = ConfigProvider.fromMap(
          new Map([
            ["ISSUER", id.issuer],
            ["CLIENT_ID", "me"],
            ["SCOPE", "read write"]
          ])
        )
        const open = (url: string) => {
          id.asks(url)
          return visit(callbackOf(url))
        }
        const token = yield* Effect.flatMap(Credentials.Credentials, ({ token }) => token).pipe(
          Effect.provide(AuthorizationCode.layerConfig(undefined, { open, ...quiet })),
          Effect.provide(id.layer),
          Effect.withConfigProvider(environment)
        )
        assert.deepStrictEqual(token.scope, ["read", "write"])
        const error = yield* AuthorizationCode.fromConfig({ clientId: Config.succeed("me") }).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map())),
          Effect.flip
        )
        assert.strictEqual(error._tag, "MissingCredentials")
      })
    )
  })

  describe("a redirect of one's own", () => {
    const web = (id: People) => ({
      issuer: id.issuer,
      clientId: "shop",
      scope: ["openid", "read"],
      resource: "https://api.test/",
      redirectUri: "https://shop.test/callback?x=1"
    })

    it.effect("start gives the address and what to keep, exchangeCode ends the login (S205, S220)", () =>
      Effect.gen(function* () {
        const id = people()
        yield* Effect.gen(function* () {
          const login = yield* AuthorizationCode.start(web(id))
          const asked = id.asks(login.url)
          assert.strictEqual(asked.get("redirect_uri"), "https://shop.test/callback?x=1")
          // Through a session store and back.
          const kept = JSON.stringify(Schema.encodeSync(AuthorizationCode.Login)(login))
          const back = Schema.decodeSync(Schema.parseJson(AuthorizationCode.Login))(kept)
          const token = yield* AuthorizationCode.exchangeCode(web(id), back, callbackOf(login.url))
          assert.deepStrictEqual(token.scope, ["openid", "read"])
          assert.strictEqual(id.exchanges()[0]!.parameters["resource"], "https://api.test/")
          assert.strictEqual(id.exchanges()[0]!.parameters["redirect_uri"], "https://shop.test/callback?x=1")
          for (const secret of [login.state, login.verifier, Option.getOrThrow(login.nonce)]) {
            const { url: _, ...rest } = login
            assert.notInclude(inspect(rest, { depth: 9 }) + JSON.stringify(rest), Redacted.value(secret))
          }
        }).pipe(Effect.provide(id.layer))
      })
    )

    it.effect("what is not the answer to this login is refused before anything is exchanged (S204)", () =>
      Effect.gen(function* () {
        const id = people()
        yield* Effect.gen(function* () {
          const login = yield* AuthorizationCode.start(web(id))
          const other = yield* AuthorizationCode.start(web(id))
          for (const [callback, tag] of [
            [callbackOf(other.url), "InvalidResponse"],
            ["/callback?code=c0de", "InvalidResponse"],
            [callbackOf(login.url, { error: "access_denied" }), "Interaction"],
            [callbackOf(login.url, { code: "c0de", iss: "https://evil.test" }), "InvalidResponse"]
          ] as const) {
            const error = yield* Effect.flip(AuthorizationCode.exchangeCode(web(id), login, callback))
            assert.strictEqual(error.reason._tag, tag)
          }
          assert.strictEqual(id.exchanges().length, 0)
        }).pipe(Effect.provide(id.layer))
      })
    )
  })
})

describe("AuthorizationCode against a certified server", () => {
  const client = {
    client_id: "cli",
    token_endpoint_auth_method: "none",
    application_type: "native",
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: ["http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback"],
    response_types: ["code"]
  }

  it.scopedLive.each(["127.0.0.1", "[::1]", "localhost"] as const)(
    "logs in at %s, renews with rotation, and is good at an API",
    (redirectHost) =>
      Effect.gen(function* () {
        const server = yield* Live.authorizationServer({ people: true, clients: [client] })
        let page: Visited | undefined
        const provider = AuthorizationCode.make({
          issuer: server.issuer,
          clientId: "cli",
          scope: ["openid", "offline_access", "api"],
          prompt: "consent",
          redirectHost,
          expected: { sub: "grace" },
          open: async (url) => {
            page = await visit(url, { login: "grace", password: "x" })
          },
          ...quiet
        })
        const token = yield* provider.acquire(first)
        const next = yield* provider.acquire({ ...first, previous: Option.some(token), interaction: "forbidden" })
        assert.include(page!.text, "You are logged in")
        assert.isTrue(yield* at(() => server.accepts(show(token))))
        assert.isTrue(yield* at(() => server.accepts(show(next))))
        assert.notStrictEqual(
          Redacted.value(Option.getOrThrow(next.refreshToken)),
          Redacted.value(Option.getOrThrow(token.refreshToken))
        )
        assert.strictEqual(server.tokenRequests(), 2)
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    30_000
  )

  const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(fs.existsSync)

  it.effect.skipIf(chromium === undefined)(
    "a real browser ends at the page",
    () =>
      Effect.gen(function* () {
        const id = people()
        const profile = fs.mkdtempSync(`${os.tmpdir()}/browser-`)
        const shows = (url: string) =>
          new Promise<string>((resolve) =>
            execFile(
              chromium!,
              ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`, "--dump-dom", url],
              { timeout: 30_000 },
              (_, out) => resolve(out)
            )
          )
        const login = yield* begun(id)
        const dom = yield* at(() => shows(login.callback()))
        yield* Fiber.join(login.fiber)
        fs.rmSync(profile, { recursive: true, force: true })
        assert.include(dom, "<h1>You are logged in</h1>")
      }),
    60_000
  )
})

const globalConsole: Console.Console = await Effect.runPromise(Console.consoleWith(Effect.succeed))
