/** Mutual TLS (RFC 8705): an authorization server that knows clients by their certificates, an API that takes tokens from nobody else, and a client with a certificate. */
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { Effect, Layer, type Scope } from "effect"
import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
// Keeps the server's advice for production off the screen: it comes first.
import "./authorizationServer.ts"
import { certified } from "./certificates.ts"
import { listen } from "./listen.ts"
import { listenTls } from "./listenTls.ts"

const { Provider } = await import("oidc-provider")

/** A key and its certificate, in PEM. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

/** Running servers. */
export interface Servers {
  /** The authorization server: metadata for everybody, and the way for clients without a certificate. */
  readonly issuer: string
  /** An API, and the endpoints for clients with one. */
  readonly api: string
  /** The certificate by which the servers are known. */
  readonly ca: string
  /** The paths that were asked for, with a mark before those where a certificate was shown. */
  readonly seen: ReadonlyArray<string>
  /** A refresh token for a client and its certificate, as if a person had just logged in. */
  readonly issueRefreshToken: (clientId: string, cert: string) => Promise<string>
}

/** The certificate that was shown, in PEM. */
const shownIn = (request: IncomingMessage): string | undefined => {
  const der = request.headers["client-cert"]?.slice(1, -1)
  return der === undefined ? undefined : `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`
}
const thumbprint = (pem: string) =>
  createHash("sha256")
    .update(Buffer.from(pem.replace(/-----.*?-----/g, ""), "base64"))
    .digest("base64url")

/** Starts them, until the scope closes, for clients with these metadata, who have these certificates. */
export const servers = (
  clients: ReadonlyArray<Readonly<Record<string, unknown>>>,
  certificates: ReadonlyArray<string>
): Effect.Effect<Servers, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = certified("localhost")
    const seen: Array<string> = []
    const issuer = yield* listen((request, response) => {
      seen.push(request.url!)
      void handle(request, response)
    })
    const api = yield* listenTls({ ...server, clients: certificates }, async (request, response) => {
      seen.push(`tls ${request.url}`)
      if (request.url !== "/api") return handle(request, response)
      const value = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""
      const token = (await provider.ClientCredentials.find(value)) ?? (await provider.AccessToken.find(value))
      const isTheirs = token !== undefined && "x5t#S256" in token && token["x5t#S256"] === thumbprint(shownIn(request)!)
      if (isTheirs) response.writeHead(200, { "content-type": "application/json" }).end(`{"hello":"world"}`)
      else response.writeHead(401, { "www-authenticate": `Bearer error="invalid_token"` }).end()
    })
    const provider = new Provider(issuer, {
      clients,
      scopes: ["api", "offline_access", "openid"],
      findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        dPoP: { enabled: true },
        mTLS: {
          enabled: true,
          certificateBoundAccessTokens: true,
          selfSignedTlsClientAuth: true,
          tlsClientAuth: true,
          getCertificate: ({ req }: { readonly req: IncomingMessage }) => shownIn(req),
          certificateAuthorized: ({ req }: { readonly req: IncomingMessage }) => shownIn(req) !== undefined,
          certificateSubjectMatches: ({ req }: { readonly req: IncomingMessage }, _: string, expected: string) =>
            req.headers["x-client-subject"] === expected
        },
        revocation: { enabled: true, allowedPolicy: () => true }
      },
      clientAuthMethods: [
        "client_secret_basic",
        "none",
        "private_key_jwt",
        "self_signed_tls_client_auth",
        "tls_client_auth"
      ],
      discovery: { mtls_endpoint_aliases: { token_endpoint: `${api}/token` } },
      rotateRefreshToken: true,
      ttl: { AccessToken: 60, ClientCredentials: 60, Grant: 3600, IdToken: 60, RefreshToken: 3600 },
      clockTolerance: 1
    }).on("server_error", (_, error) => console.error(`authorization server: ${error.stack}`))
    // It believes the header that says https.
    Object.assign(provider, { proxy: true })
    const handle = provider.callback()
    return {
      issuer,
      api,
      ca: server.cert,
      seen,
      issueRefreshToken: async (clientId, cert) => {
        const [accountId, scope] = ["ada", "openid offline_access"]
        const client = await provider.Client.find(clientId)
        const grant = new provider.Grant({ accountId, clientId })
        grant.addOIDCScope(scope)
        const grantId = await grant.save()
        const bound = { "x5t#S256": thumbprint(cert) }
        return new provider.RefreshToken({
          accountId,
          client,
          grantId,
          gty: "authorization_code",
          scope,
          ...bound
        }).save()
      }
    }
  })

interface DenoClient {
  readonly close: () => void
}

/** The part of Deno's own types that is needed here. */
declare const Deno: {
  readonly createHttpClient: (options: Partial<Identity> & { readonly caCerts: Array<string> }) => DenoClient
}

/** An HttpClient that trusts these servers and, if there is one, shows a certificate: how to say that is each runtime's own business. */
export const httpClient = (ca: string, identity?: Identity): Layer.Layer<HttpClient.HttpClient> => {
  if ("Bun" in globalThis) {
    const init = Object.assign<RequestInit, object>({}, { tls: { ca, ...identity } })
    return Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.RequestInit, init))
  }
  if ("Deno" in globalThis) {
    const open = Effect.sync(() => Deno.createHttpClient({ caCerts: [ca], ...identity }))
    const init = Effect.map(
      Effect.acquireRelease(open, (client) => Effect.sync(() => client.close())),
      (client) => Object.assign<RequestInit, object>({}, { client })
    )
    return Layer.provide(FetchHttpClient.layer, Layer.scoped(FetchHttpClient.RequestInit, init))
  }
  const agent = Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent({ connect: { ca, ...identity } })),
    (agent) => Effect.promise(() => agent.close())
  )
  return Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Layer.scoped(NodeHttpClient.Dispatcher, agent))
}
