/** Token servers that are odd below HTTP's surface, over raw sockets, with every client that this runtime has. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as net from "node:net"
import * as zlib from "node:zlib"
import * as Grant from "../src/protocol/Grant.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["fetch", FetchHttpClient.layer],
  ["the node client", NodeHttpClient.layer],
  // Bun has its own undici, which the platform's layer cannot use.
  ...("bun" in process.versions ? [] : [["the undici client", NodeHttpClient.layerUndici] as const])
]

const secret = "s3cret-of-the-client"
const good = (token: string) => JSON.stringify({ access_token: token, token_type: "bearer", expires_in: 60 })
const answer = (body: string | Uint8Array, ...headers: ReadonlyArray<string>) =>
  Buffer.concat([
    Buffer.from(
      ["HTTP/1.1 200 OK", "content-type: application/json", `content-length: ${body.length}`, ...headers, "", ""].join(
        "\r\n"
      )
    ),
    Buffer.from(body)
  ])

/** A server that hands each whole request to `respond`, with the socket and how many came before on it and in all. */
const serving = (respond: (socket: net.Socket, request: string, onSocket: number, inAll: number) => void) => {
  const sockets = new Set<net.Socket>()
  let inAll = 0
  const server = net.createServer((socket) => {
    sockets.add(socket)
    let onSocket = 0
    let text = ""
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      text += chunk
      const end = text.indexOf("\r\n\r\n")
      const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)
      if (end < 0 || text.length < end + 4 + length) return
      const request = text
      text = ""
      respond(socket, request, onSocket++, inAll++)
    })
  })
  return Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}/token`))
      )
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        sockets.forEach((socket) => socket.destroy())
      })
  )
}

const obtain = (tokenEndpoint: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  TokenEndpoint.exchange(
    TokenEndpoint.make("Test", { tokenEndpoint, clientId: "me", clientSecret: secret }),
    Grant.clientCredentials()
  ).pipe(
    Effect.map((token) => Redacted.value(token.accessToken)),
    Effect.provide(client),
    Effect.either
  )

describe.each(clients)("with %s,", (_, client) => {
  it.scopedLive("a connection that the server has closed meanwhile is no failure (S080)", () =>
    Effect.gen(function* () {
      const url = yield* serving((socket, _request, _onSocket, inAll) => {
        socket.write(answer(good(`t${inAll}`), "connection: keep-alive"))
        // Without a word, as servers do with idle connections.
        setTimeout(() => socket.destroy(), 5)
      })
      expect(yield* obtain(url, client)).toEqual(Either.right("t0"))
      yield* Effect.sleep("30 millis")
      expect(yield* obtain(url, client)).toEqual(Either.right("t1"))
    })
  )

  it.scopedLive("a second answer on the same connection is nobody's (S083)", () =>
    Effect.gen(function* () {
      const url = yield* serving((socket, _request, _onSocket, inAll) => {
        const first = answer(good(`t${inAll}`), "connection: keep-alive")
        socket.write(Buffer.concat([first, answer(good("smuggled"), "connection: keep-alive")]))
      })
      expect(yield* obtain(url, client)).toEqual(Either.right("t0"))
      yield* Effect.sleep("20 millis")
      const second = yield* obtain(url, client)
      // The client may notice and fail; what it must not do is take the answer for one to the next request.
      expect(Either.isLeft(second) || second.right !== "smuggled").toBe(true)
    })
  )

  it.scopedLive("headers without end are an error, or are skipped; nothing of them is quoted (S082)", () =>
    Effect.gen(function* () {
      const url = yield* serving((socket) => socket.end(answer(good("t"), `x-large: ${"quoted".repeat(200_000)}`)))
      const result = yield* obtain(url, client)
      if (Either.isRight(result)) expect(result.right).toBe("t")
      else {
        expect(result.left._tag).toBe("RefreshError")
        expect(result.left.message).not.toContain("quoted")
      }
    })
  )

  it.scopedLive("an answer compressed many times over is the token or an error (S067)", () =>
    Effect.gen(function* () {
      const layers = 20
      let body: Uint8Array = Buffer.from(good("t"))
      for (let n = 0; n < layers; n++) body = zlib.gzipSync(body)
      const url = yield* serving((socket) =>
        socket.end(answer(body, `content-encoding: ${Array(layers).fill("gzip").join(", ")}`))
      )
      const result = yield* obtain(url, client)
      expect(Either.isRight(result) ? result.right : result.left._tag).toMatch(/^(t|RefreshError)$/)
    })
  )

  it.scopedLive(
    "a secret is in the request's head or body, never in its address or Referer, and nothing may be cached (S014, S015, S058, S086)",
    () =>
      Effect.gen(function* () {
        const requests: Array<string> = []
        const url = yield* serving((socket, request) => {
          requests.push(request)
          // Stored by an intermediary, it says: still not taken from there the next time.
          socket.end(answer(good(`t${requests.length}`), "cache-control: public, max-age=600", "age: 5"))
        })
        expect(yield* obtain(url, client)).toEqual(Either.right("t1"))
        expect(yield* obtain(url, client)).toEqual(Either.right("t2"))
        expect(requests.map((request) => request.split("\r\n", 1)[0])).toEqual(Array(2).fill("POST /token HTTP/1.1"))
        expect(requests.filter((request) => /^referer:/im.test(request))).toEqual([])
      })
  )
})
