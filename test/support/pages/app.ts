/** An app in a browser: it calls an API of another origin in every way that makes sense there, in its page and in a worker, and tells what it got. */
import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
import * as ClientCredentials from "effect-credentials/ClientCredentials"
import * as Fetch from "effect-credentials/Fetch"
import * as RefreshToken from "effect-credentials/RefreshToken"
import * as TokenFactory from "effect-credentials/TokenFactory"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const place = "document" in globalThis ? "page" : "worker"
const parameters = new URL(globalThis.location.href).searchParams
const api = parameters.get("api")!
const origins = [api] as const
const tokenEndpoint = `${api}/token`
const me = `${api}/me`

/** A single-page app: a public client, with the refresh token of its login. */
const singlePage = async () => {
  const session = Fetch.makeFetch(
    RefreshToken.layer({ tokenEndpoint, clientId: `${place}-app`, refreshToken: `${place}-1` }),
    { origins }
  )
  const text = (url: string) => session.fetch(url).then((response) => response.text())
  const together = await Promise.all([text(me), text(me), text(me)])
  await fetch(`${api}/revoke`, { method: "POST", body: await session.getToken() })
  const revoked = await text(me)
  const stranger = await text(`${parameters.get("elsewhere")}/me`)
  const redirected = await text(`${api}/redirect`).catch((error) => error._tag)
  await session.close()
  const moved = Fetch.makeFetch(
    RefreshToken.layer({ tokenEndpoint: `${api}/redirect`, clientId: `${place}-app`, refreshToken: `${place}-1` }),
    { origins }
  )
  const refused = await moved.getToken().catch((error) => error.reason._tag)
  await moved.close()
  return { together, revoked, stranger, redirected, refused }
}

/** What asks with the authenticated client, without the headers of tracing, which the API would have to allow. */
const asked = AuthenticatedHttpClient.AuthenticatedHttpClient.pipe(
  Effect.flatMap((client) => HttpClient.withTracerPropagation(client, false).get(me)),
  Effect.flatMap((response) => response.text)
)
const client = AuthenticatedHttpClient.layer({ origins })

/** An app whose own server keeps the session, and hands out tokens. */
const withServer = Effect.provide(
  asked,
  client.pipe(
    Layer.provide(TokenFactory.layer({ token: () => fetch(`/session?${place}`).then((response) => response.text()) })),
    Layer.provide(FetchHttpClient.layer)
  )
)

/** A program that is no person's, as workers at the edge are. */
const byItself = Effect.provide(
  asked,
  client.pipe(
    Layer.provide(ClientCredentials.layer({ tokenEndpoint, clientId: `${place}-service`, clientSecret: "s3cret" })),
    Layer.provide(FetchHttpClient.layer)
  )
)

if (place === "page") new Worker(`/app.js${globalThis.location.search}`, { type: "module" })
const told = await Promise.all([singlePage(), Effect.runPromise(withServer), Effect.runPromise(byItself)]).then(
  ([singlePage, withServer, byItself]) => ({ singlePage, withServer, byItself }),
  (error) => ({ error: String(error) })
)
await fetch(`/told?${place}`, { method: "POST", body: JSON.stringify(told) })
