/** An authorization server and an API of our own, and the settings with which a program finds them. */
import { ConfigProvider, Effect, type Scope } from "effect"
import { authorizationServer } from "./authorizationServer.ts"
import { protectedApi } from "./protectedApi.ts"
import { say } from "./terminal.ts"

/** Starts both, until the scope closes. Tokens live 6 seconds. */
export const embedded: Effect.Effect<ConfigProvider.ConfigProvider, never, Scope.Scope> = Effect.gen(function* () {
  const client = { client_id: "quickstart", client_secret: crypto.randomUUID() }
  const server = yield* authorizationServer({
    clients: [{ ...client, grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }],
    accessTokenSeconds: 6
  })
  const api = yield* protectedApi(server.accepts)
  say("Nothing is configured, so these were started on this machine:")
  say(`  authorization server  ${server.issuer}  (oidc-provider, tokens live 6 s)`)
  say(`  protected API         ${api.url}`)
  return ConfigProvider.fromMap(
    new Map([
      ["TOKEN_URL", server.tokenEndpoint],
      ["CLIENT_ID", client.client_id],
      ["CLIENT_SECRET", client.client_secret],
      ["SCOPE", "api"],
      ["API_URL", api.url]
    ])
  )
})
