/** The token endpoint over real sockets, with every client that this runtime has. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as net from "node:net"
import * as tls from "node:tls"
import * as zlib from "node:zlib"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import type { RefreshErrorReason } from "../src/CredentialsError.ts"
import * as Grant from "../src/protocol/Grant.ts"
import type { Token } from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"

const isBun = "bun" in process.versions

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["the node client", NodeHttpClient.layer],
  // Bun has its own undici, which the platform's layer cannot use.
  ...(isBun ? [] : [["the undici client", NodeHttpClient.layerUndici] as const])
]

const refreshing = Grant.refreshToken(Redacted.make("r3fresh"))
const good = JSON.stringify({ access_token: "t0ken", token_type: "bearer", expires_in: 60 })

/** A server on a port that the system chooses, gone with the scope. */
const listening = <S extends net.Server>(server: S): Effect.Effect<number, never, Scope.Scope> => {
  const sockets = new Set<net.Socket>()
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
  })
  return Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as net.AddressInfo).port)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        sockets.forEach((socket) => socket.destroy())
      })
  )
}

const serving = (handler: http.RequestListener) => listening(http.createServer(handler))

const exchange = (
  url: string,
  client: Layer.Layer<HttpClient.HttpClient>,
  options?: TokenEndpoint.Settings,
  grant: Grant.Grant = refreshing
): Effect.Effect<Exit.Exit<Token, { readonly reason: RefreshErrorReason }>> =>
  TokenEndpoint.exchange(
    TokenEndpoint.make("Test", { tokenEndpoint: url, clientId: "me", retry: Schedule.stop, ...options }),
    grant
  ).pipe(Effect.provide(client), Effect.exit)

const reasonOf = (exit: Exit.Exit<unknown, { readonly reason: RefreshErrorReason }>): RefreshErrorReason =>
  Exit.isSuccess(exit)
    ? expect.fail("expected a failure")
    : Option.getOrThrowWith(Cause.failureOption(exit.cause), () => Cause.squash(exit.cause)).reason

/** Resolves when the other side has closed. */
const closing = () => {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, watch: (socket: net.Socket | null) => void socket?.once("close", () => resolve()) }
}

describe.each(clients)("with %s, over real sockets,", (_, client) => {
  it.scopedLive("a token is obtained, without asking for compression and without a trace header", () =>
    Effect.gen(function* () {
      const seen: Array<http.IncomingHttpHeaders> = []
      const port = yield* serving((request, response) => {
        seen.push(request.headers)
        response.setHeader("content-type", "application/json").end(good)
      })
      const exit = yield* exchange(`http://127.0.0.1:${port}/token`, client)
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(seen[0]).toMatchObject({
        accept: "application/json",
        "accept-encoding": "identity",
        "content-type": "application/x-www-form-urlencoded"
      })
      expect(seen[0]).not.toHaveProperty("traceparent")
      expect(seen[0]).not.toHaveProperty("b3")
    })
  )

  it.scopedLive.each([301, 302, 303, 307, 308])(
    "a %i is an error of every request, and who it leads to hears nothing (S003)",
    (status) =>
      Effect.gen(function* () {
        const elsewhere: Array<string | undefined> = []
        const other = yield* serving((request, response) => {
          elsewhere.push(request.url)
          response.setHeader("content-type", "application/json").end(good)
        })
        const here: Array<string | undefined> = []
        const port = yield* serving((request, response) => {
          here.push(request.url)
          request.resume()
          response.writeHead(status, { location: `http://127.0.0.1:${other}${request.url}` }).end()
        })
        const at = (path: string) => `http://127.0.0.1:${port}/${path}`
        const clientSecret = Redacted.make("s3cret")
        const endpoint = TokenEndpoint.make("Test", {
          server: AuthorizationServer.make({
            issuer: at(""),
            token_endpoint: at("token"),
            authorization_endpoint: at("authorize"),
            revocation_endpoint: at("revoke"),
            introspection_endpoint: at("introspect"),
            device_authorization_endpoint: at("device"),
            pushed_authorization_request_endpoint: at("par")
          }),
          clientId: "me",
          clientSecret
        })
        const params = [["password", Redacted.make("passw0rd")]] as const
        for (const [path, request] of [
          ["token", TokenEndpoint.exchange(endpoint, refreshing)],
          ["token", TokenEndpoint.pollDevice(endpoint, Redacted.make("d3vice"))],
          ["token", TokenEndpoint.login(endpoint, { params, shape: { accessToken: "token" }, oneTime: false })],
          ["revoke", TokenEndpoint.revoke(endpoint, Redacted.make("r3fresh"), "refresh_token")],
          ["introspect", TokenEndpoint.introspect(endpoint, Redacted.make("t0ken"), "access_token")],
          ["device", TokenEndpoint.authorizeDevice(endpoint)],
          ["par", TokenEndpoint.pushAuthorization(endpoint, `${at("authorize")}?state=s3cret`)]
        ] as const) {
          const error = yield* Effect.flip(
            Effect.provide(request as Effect.Effect<unknown, object, HttpClient.HttpClient>, client)
          )
          expect(error).toMatchObject({ reason: { _tag: "InvalidResponse", status } })
          expect(here.splice(0)).toEqual([`/${path}`])
        }
        expect(elsewhere).toEqual([])
      })
  )

  it.scopedLive("a refused connection proves that nothing was sent (S071, S078)", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(listening(net.createServer()))
      expect(reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, client))).toEqual({
        _tag: "Transport",
        description: "connection refused"
      })
      expect(reasonOf(yield* exchange(`http://localhost:${port}/token`, client))).toEqual({
        _tag: "Transport",
        description: "connection refused"
      })
    })
  )

  it.scopedLive("a name that nobody has proves that nothing was sent (S071, S078)", () =>
    Effect.gen(function* () {
      const reason = reasonOf(yield* exchange("https://nowhere.invalid/token", client))
      expect(reason).toEqual({ _tag: "Transport", description: "name not found" })
    })
  )

  it.scopedLive(
    "a certificate that is not accepted proves that nothing was sent, and is not tried again (S071, S078)",
    () =>
      Effect.gen(function* () {
        const server = tls.createServer({ key, cert })
        server.on("tlsClientError", () => {})
        let secured = 0
        server.on("secureConnection", (socket) => socket.on("data", () => secured++))
        const port = yield* listening(server)
        const exit = yield* exchange(`https://localhost:${port}/token`, client, { retry: Schedule.recurs(2) })
        expect(reasonOf(exit)).toEqual({ _tag: "Transport", description: "its certificate was not accepted" })
        expect(secured).toBe(0)
      })
  )

  it.scopedLive(
    "an answer that is lost leaves in doubt what can be spent only once, and is one request (S071, S077)",
    () =>
      Effect.gen(function* () {
        let count = 0
        const port = yield* serving((request) => {
          request.resume().on("end", () => {
            count++
            request.socket.destroy()
          })
        })
        const exit = yield* exchange(`http://127.0.0.1:${port}/token`, client, { retry: Schedule.recurs(2) })
        expect(reasonOf(exit)._tag).toBe("Ambiguous")
        expect(count).toBe(1)
      })
  )

  it.scopedLive("an answer that breaks off does so too (S077)", () =>
    Effect.gen(function* () {
      const port = yield* serving((request, response) => {
        request.resume().on("end", () => {
          response.writeHead(200, { "content-type": "application/json", "content-length": "500" })
          response.write(good)
          setTimeout(() => request.socket.destroy(), 20)
        })
      })
      expect(reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, client))._tag).toBe("Ambiguous")
    })
  )

  it.scopedLive("a server that never answers is left alone in time, and sees it (S065)", () =>
    Effect.gen(function* () {
      const closed = closing()
      const port = yield* serving((request) => closed.watch(request.socket))
      const exit = yield* exchange(
        `http://127.0.0.1:${port}/token`,
        client,
        { attemptTimeLimit: "300 millis" },
        Grant.clientCredentials()
      )
      expect(reasonOf(exit)._tag).toBe("Timeout")
      yield* Effect.promise(() => closed.promise)
    })
  )

  it.scopedLive("a server that answers drop by drop is left alone in time, and sees it (S065)", () =>
    Effect.gen(function* () {
      const closed = closing()
      const port = yield* serving((request, response) => {
        closed.watch(request.socket)
        response.writeHead(200, { "content-type": "application/json" })
        const drip = setInterval(() => response.write(" "), 20)
        request.socket.once("close", () => clearInterval(drip))
      })
      const exit = yield* exchange(`http://127.0.0.1:${port}/token`, client, { attemptTimeLimit: "300 millis" })
      expect(reasonOf(exit)._tag).toBe("Ambiguous")
      yield* Effect.promise(() => closed.promise)
    })
  )

  it.scopedLive("an endless answer is refused after 1 MiB, and the server sees it (S066)", () =>
    Effect.gen(function* () {
      const closed = closing()
      let poured = 0
      const port = yield* serving((request, response) => {
        closed.watch(request.socket)
        request.socket.once("close", () => (poured = request.socket.bytesWritten))
        response.writeHead(200, { "content-type": "application/json" })
        const chunk = "x".repeat(65_536)
        const pour = () => {
          while (!request.socket.destroyed && response.write(chunk));
        }
        response.on("drain", pour)
        pour()
      })
      const reason = reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, client))
      expect(reason).toEqual({ _tag: "InvalidResponse", description: "more than 1 MiB", status: 200 })
      yield* Effect.promise(() => closed.promise)
      // What lies in the buffers between the two counts as poured.
      expect(poured).toBeLessThan(32 * 1_048_576)
    })
  )

  it.scopedLive("an answer compressed unasked is no token, and is not unpacked without limit (S066, S068)", () =>
    Effect.gen(function* () {
      const bomb = zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024))
      const port = yield* serving((_, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(bomb)
      })
      const reason = reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, client))
      expect(reason).toMatchObject({
        _tag: "InvalidResponse",
        // Some clients unpack it, others do not.
        description: expect.stringMatching(/^(more than 1 MiB|not UTF-8 text)$/)
      })
    })
  )

  it.scopedLive.each([301, 302, 303, 307, 308])("a %i is not followed: nobody else sees a byte (S262)", (status) =>
    Effect.gen(function* () {
      let strayed = 0
      const elsewhere = yield* serving((_, response) => {
        strayed++
        response.setHeader("content-type", "application/json").end(good)
      })
      const port = yield* serving((_, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${elsewhere}/token` }).end()
      })
      const reason = reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, client))
      expect(reason).toMatchObject({ _tag: "InvalidResponse" })
      expect(strayed).toBe(0)
    })
  )

  it.scopedLive("a retry policy of the client's own does not send it twice (S071)", () =>
    Effect.gen(function* () {
      let count = 0
      const port = yield* serving((_, response) => {
        count++
        response.writeHead(500).end()
      })
      const retrying = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.retryTransient({ times: 3 }))
      ).pipe(Layer.provide(client))
      expect(reasonOf(yield* exchange(`http://127.0.0.1:${port}/token`, retrying))._tag).toBe("Ambiguous")
      expect(count).toBe(1)
    })
  )
})

// Made for this test, worth nothing: a key and a certificate for localhost that it signed itself.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgymnj7G7VkBUIRURi
KT2atGE2PKDHgXlWwYuhSnHymyuhRANCAAQp3XwEhEVLkUp5cgrRFXGJO+OmgZhJ
MNezlCcGAFI5NH8o7DBWZyfa3EE4k10ALTfZDVtSvIJP0BxC5DPbFFB1
-----END PRIVATE KEY-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUAjzSRUvBczUrgl6lc0fZk8aSZ+wwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAyNDYwOFoYDzIxMjYxMDI4
MDI0NjA4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQp3XwEhEVLkUp5cgrRFXGJO+OmgZhJMNezlCcGAFI5NH8o7DBWZyfa
3EE4k10ALTfZDVtSvIJP0BxC5DPbFFB1o2kwZzAdBgNVHQ4EFgQUKdtL40IPlo1W
cldnQj/VKRU6HlQwHwYDVR0jBBgwFoAUKdtL40IPlo1WcldnQj/VKRU6HlQwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhANcg4ppeELZoa7yeZd+C4vk2I07SF7D/pjqKtDa/H7oIAiB46svq//7c
sQQkuJka4yCU2YaFl/IIIDVxSLNI3TBqEg==
-----END CERTIFICATE-----`
