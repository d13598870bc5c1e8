/** Requests through the authenticated client, over a transport in memory: what it adds to the client under it. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import { awaited, type Contender, inFiber, type Table } from "./harness.ts"
import { held, token } from "./held.ts"
import { fetch } from "./inMemory.ts"
import { missing, peers } from "./peers.ts"

type Client = HttpClient.HttpClient.With<unknown>

const origin = "https://api.example.com"
const bearer = `Bearer ${Redacted.value(token.accessToken)}`
const headers = { "content-type": "application/json", "content-length": "0" }
const text = Effect.succeed("")

/** An answer that needs neither stream nor promise: no more of one than clients look at. */
const respond = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<HttpClientResponse> =>
  Effect.succeed({ request, status: 200, headers, text } as unknown as HttpClientResponse)

/** What a program has in its context: ten services. */
const services = Context.unsafeMake<never>(new Map(Array.from({ length: 10 }, (_, i) => [`service ${i}`, { i }])))

/** As the layers of every platform make theirs: a URL, an AbortController, a span, and a context merged for each request. */
const fromLayer = Effect.runSync(
  Effect.provide(HttpClient.HttpClient, HttpClient.layerMergedContext(Effect.succeed(HttpClient.make(respond))))
)
/** Nothing but the transport. */
const bare = HttpClient.makeWith<never, never, HttpClientError, never>(Effect.flatMap(respond), Effect.succeed)

const withStatic = (client: HttpClient.HttpClient) =>
  HttpClient.mapRequest(client, HttpClientRequest.setHeader("authorization", bearer))

const withCredentials = (client: HttpClient.HttpClient) =>
  Either.getOrThrow(AuthenticatedHttpClient.make(client, held, { origins: [origin] }))

// A response that nobody reads stays with the platform, which would make later rounds slower.
const send = (client: Client, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(client.execute(request), ({ text }) => text)

/** One client, which is sent the next of these requests each time. */
const sending = (
  name: string,
  client: Client,
  requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>,
  tracing: boolean
): Contender => {
  let next = 0
  const one = () => send(client, requests[next++ % requests.length]!)
  return {
    name,
    run: inFiber(one, (loop) => Effect.provide(tracing ? loop : Effect.withTracerEnabled(loop, false), services))
  }
}

const same = [HttpClientRequest.get(`${origin}/v1/items?limit=10`)]
const various = Array.from({ length: 1_000 }, (_, id) => HttpClientRequest.get(`${origin}/v1/items/${id}`))

const table = (
  title: string,
  client: HttpClient.HttpClient,
  requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>,
  tracing: boolean
): Table => ({
  title: `client: ${title}`,
  floors: ["the plain client", "a static header by mapRequest"],
  weighed: 2_000,
  contenders: [
    sending("the plain client", client, requests, tracing),
    sending("a static header by mapRequest", withStatic(client), requests, tracing),
    sending("the authenticated client", withCredentials(client), requests, tracing)
  ]
})

/** Peers that have clients of their own, each beside its own. */
const ofPeers = peers.flatMap(({ connect, name }): ReadonlyArray<Table> => {
  const { client } = connect({ fetch, tokenEndpoint: "http://127.0.0.1:1/token", ahead: 60_000 })
  if (client === undefined) return []
  return [
    {
      title: `client: ${name}`,
      floors: [client.name],
      weighed: 2_000,
      contenders: [
        { name: client.name, run: awaited(() => client.plain(`${origin}/v1/items`)) },
        { name, run: awaited(() => client.authenticated(`${origin}/v1/items`)) }
      ]
    }
  ]
})

export const tables = (): ReadonlyArray<Table> => [
  table("tracing on", fromLayer, same, true),
  table("tracing off", fromLayer, same, false),
  table("tracing off, another URL each time", fromLayer, various, false),
  {
    ...table("nothing but the transport below", bare, same, false),
    ...(missing === undefined ? {} : { note: missing })
  },
  ...ofPeers
]
