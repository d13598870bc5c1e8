/**
 * Logs you in with your browser and greets an API as you: `npx tsx examples/browser-login.ts`.
 *
 * On its own it starts a real authorization server and an API on this machine; any name and password will do. With ISSUER, CLIENT_ID, SCOPE and
 * API_URL set it uses those instead. Over SSH, or without a browser, open the address that it prints and paste the one you end at.
 */
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Config, ConfigProvider, Effect, Layer, Option } from "effect"
import { AuthenticatedHttpClient, AuthorizationCode, Credentials, Jwt } from "effect-credentials"
import { stdin, stdout } from "node:process"
import { createInterface } from "node:readline/promises"
import { authorizationServer } from "./support/authorizationServer.ts"
import { protectedApi } from "./support/protectedApi.ts"
import { say } from "./support/terminal.ts"

/** A line from the terminal; its interface is closed as well if the login ends without one. */
const readLine = Effect.acquireUseRelease(
  Effect.sync(() => createInterface({ input: stdin, output: stdout })),
  (lines) => Effect.tryPromise((signal) => lines.question("> ", { signal })),
  (lines) => Effect.sync(() => lines.close())
)

const Login = AuthorizationCode.layerConfig(undefined, { ...(stdin.isTTY ? { paste: readLine } : {}) })

/** The API's client, and the credentials it carries. */
const Api = Layer.unwrapEffect(
  Effect.map(Config.url("API_URL"), ({ origin }) =>
    Layer.provideMerge(AuthenticatedHttpClient.layer({ origins: [origin] }), Login)
  )
).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.gen(function* () {
  const client = HttpClient.filterStatusOk(yield* AuthenticatedHttpClient.AuthenticatedHttpClient)
  const answer = yield* Effect.flatMap(client.get(yield* Config.url("API_URL")), (response) => response.text)
  const { idToken } = yield* Effect.flatMap(Credentials.Credentials, ({ token }) => token)
  const claims = Option.flatMap(idToken, (idToken) => Option.getRight(Jwt.decode(idToken)))
  say(Option.match(claims, { onNone: () => "Logged in.", onSome: ({ claims }) => `Logged in as ${claims["sub"]}.` }))
  say(`The API answered ${answer}`)
}).pipe(Effect.provide(Api))

/** Both servers, and the settings with which the program finds them. */
const embedded = Effect.gen(function* () {
  const client = { client_id: "browser-login", token_endpoint_auth_method: "none", application_type: "native" }
  const redirects = { redirect_uris: ["http://127.0.0.1/callback"], response_types: ["code"] }
  const server = yield* authorizationServer({
    clients: [{ ...client, ...redirects, grant_types: ["authorization_code", "refresh_token"] }],
    people: true
  })
  const api = yield* protectedApi(server.accepts)
  say("Nothing is configured: an authorization server and an API were started on this machine.")
  const settings = { ISSUER: server.issuer, CLIENT_ID: client.client_id, SCOPE: "openid api", API_URL: api.url }
  return ConfigProvider.fromMap(new Map(Object.entries(settings)))
})

const main = Effect.flatMap(Config.option(Config.string("ISSUER")), (issuer) =>
  Option.isSome(issuer) ? program : Effect.flatMap(embedded, (settings) => Effect.withConfigProvider(program, settings))
).pipe(
  Effect.as(0),
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(1))),
  Effect.scoped
)

process.exitCode = await Effect.runPromise(main)
