/** Us over a real HTTP client: client credentials, sent by the platform's client over fetch. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as ClientCredentials from "../../src/providers/ClientCredentials.ts"
import { eternal } from "./loopback.ts"
import { client } from "./peers/Peer.ts"

/** Credentials from the server at this origin. */
export const credentials = (
  origin: string,
  scheduled: boolean
): Layer.Layer<Credentials.Id<"default">, unknown, HttpClient.HttpClient> => {
  const provider = ClientCredentials.make({
    tokenEndpoint: `${origin}/token`,
    clientId: client.id,
    clientSecret: Redacted.make(client.secret)
  })
  return scheduled ? Credentials.layerScheduled(provider) : Credentials.layer(provider)
}

/** Something that is called again and again, until it is closed. */
export interface Calls {
  /** A GET of the API, whose answer is read. The status of it. */
  readonly call: () => Promise<number>
  readonly close: () => Promise<void>
}

const calls = <I, E>(
  layer: Layer.Layer<I, E>,
  client: Effect.Effect<HttpClient.HttpClient.With<unknown>, never, I>,
  origin: string
): Calls => {
  const runtime = ManagedRuntime.make(layer)
  const call = Effect.flatMap(client, (client) =>
    Effect.flatMap(client.get(`${origin}/items`), ({ status, text }) => Effect.as(text, status))
  )
  return { call: () => runtime.runPromise(call), close: () => runtime.dispose() }
}

/** The authenticated client calls. */
export const authenticated = (
  origin: string,
  scheduled: boolean,
  transport: Layer.Layer<HttpClient.HttpClient> = FetchHttpClient.layer
): Calls =>
  calls(
    Layer.provide(AuthenticatedHttpClient.layer({ origins: [origin] }), credentials(origin, scheduled)).pipe(
      Layer.provide(transport)
    ),
    AuthenticatedHttpClient.AuthenticatedHttpClient,
    origin
  )

/** The platform's client calls, with a token that nobody has to look after. */
export const bare = (origin: string): Calls =>
  calls(
    FetchHttpClient.layer,
    Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.bearerToken(eternal))),
    origin
  )
