/**
 * What an authorization server says about itself (RFC 8414, OpenID Connect Discovery), as far as this library reads it.
 *
 * @example
 * ```ts
 * import * as ServerMetadata from "effect-credentials/ServerMetadata"
 *
 * console.log(ServerMetadata.locations("https://id.example.com/tenant"))
 * // [
 * //   'https://id.example.com/tenant/.well-known/openid-configuration',
 * //   'https://id.example.com/.well-known/oauth-authorization-server/tenant'
 * // ]
 * ```
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Json from "../internal/json.ts"
import * as Url from "../internal/url.ts"

/**
 * What an authorization server says about itself; the names are those of RFC 8414 §2.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerMetadata {
  /** Who the server is, as one exact string. */
  readonly issuer?: string | undefined
  /** Where grants are traded for tokens. */
  readonly token_endpoint: string
  /** Where a person logs in. */
  readonly authorization_endpoint?: string | undefined
  /** Where a login's parameters are left before the browser opens (RFC 9126). */
  readonly pushed_authorization_request_endpoint?: string | undefined
  /** Whether no login starts without that (RFC 9126 §5). */
  readonly require_pushed_authorization_requests?: boolean | undefined
  /** Where a login on a second device starts (RFC 8628). */
  readonly device_authorization_endpoint?: string | undefined
  /** Where tokens are given back (RFC 7009). */
  readonly revocation_endpoint?: string | undefined
  /** Where tokens are looked up (RFC 7662). */
  readonly introspection_endpoint?: string | undefined
  /** Where OpenID Connect tells who logged in. */
  readonly userinfo_endpoint?: string | undefined
  /** Where OpenID Connect logs people out. */
  readonly end_session_endpoint?: string | undefined
  /** Where the keys are that verify what the server signed. */
  readonly jwks_uri?: string | undefined
  /** Whether the server says who it is when it sends a login back (RFC 9207): then an answer that does not is refused. */
  readonly authorization_response_iss_parameter_supported?: boolean | undefined
  /** Where else some of its endpoints are for clients that show a certificate (RFC 8705 §5); those that are not named are where they are for everybody. */
  readonly mtls_endpoint_aliases?: { readonly [Name in Endpoint]?: string | undefined } | undefined
}

/**
 * The members of {@link ServerMetadata} that are URLs.
 *
 * @category models
 * @since 0.1.0
 */
export type Endpoint = Exclude<keyof ServerMetadata, "issuer" | "mtls_endpoint_aliases" | (typeof flags)[number]>

const flags = ["authorization_response_iss_parameter_supported", "require_pushed_authorization_requests"] as const

const endpoints: ReadonlyArray<Endpoint> = [
  "token_endpoint",
  "authorization_endpoint",
  "pushed_authorization_request_endpoint",
  "device_authorization_endpoint",
  "revocation_endpoint",
  "introspection_endpoint",
  "userinfo_endpoint",
  "end_session_endpoint",
  "jwks_uri"
]

/**
 * Where an issuer's metadata may be: OpenID Connect appends to the issuer's path, RFC 8414 §3.1 inserts before it. A trailing slash is not doubled.
 *
 * @example
 * ```ts
 * import * as ServerMetadata from "effect-credentials/ServerMetadata"
 *
 * console.log(ServerMetadata.locations("https://id.example.com/")[0])
 * // https://id.example.com/.well-known/openid-configuration
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const locations = (issuer: string): ReadonlyArray<string> => {
  const base = issuer.replace(/\/$/, "")
  const [, origin, path] = /^([a-z]+:\/\/[^/]+)(.*)$/i.exec(base)!
  return [`${base}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`]
}

/**
 * The first endpoint that no secret may be sent to, if there is one.
 *
 * **Details** – https only, or http on this machine (`localhost`, `127.0.0.0/8`, `::1`); no user name, no fragment, no spaces or controls.
 *
 * @example
 * ```ts
 * import * as ServerMetadata from "effect-credentials/ServerMetadata"
 *
 * console.log(ServerMetadata.unsafeEndpoint({ token_endpoint: "http://id.example.com/token" }))
 * // token_endpoint
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const unsafeEndpoint = (
  metadata: ServerMetadata,
  options?: {
    /** Accept plain http, so that anybody on the way can read secrets and tokens. Default: false. */
    readonly dangerouslyAllowHttp?: boolean | undefined
  }
): string | undefined =>
  addresses(metadata).find(([, url]) => Url.endpoint(url, options?.dangerouslyAllowHttp) === undefined)?.[0]

/** All of them, with their names. The token endpoint is one even where it is missing. */
const addresses = (metadata: ServerMetadata): ReadonlyArray<readonly [name: string, url: string]> => {
  const under = (prefix: string, urls: { readonly [Name in Endpoint]?: string | undefined }) =>
    endpoints.flatMap((name) =>
      urls[name] === undefined && prefix + name !== "token_endpoint" ? [] : [[prefix + name, urls[name]!] as const]
    )
  return [...under("", metadata), ...under("mtls_endpoint_aliases.", metadata.mtls_endpoint_aliases ?? {})]
}

/**
 * The metadata in a document that `issuer` published, or what is wrong with it.
 *
 * **Details** – the document must name exactly this issuer (RFC 8414 §3.3), and a token endpoint. An issuer on the internet may not point to this machine or into a
 * private network. Members that this library does not read are dropped.
 *
 * @example
 * ```ts
 * import * as ServerMetadata from "effect-credentials/ServerMetadata"
 * import { Either } from "effect"
 *
 * const document = `{"issuer":"https://evil.example","token_endpoint":"https://evil.example/token"}`
 * console.log(Either.isLeft(ServerMetadata.decode("https://id.example.com", document)))
 * // true
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  issuer: string,
  document: string,
  options?: {
    /** Accept plain http, so that anybody on the way can read secrets and tokens. Default: false. */
    readonly dangerouslyAllowHttp?: boolean | undefined
  }
): Either.Either<ServerMetadata, string> => {
  const members = Json.parseObject(document)
  if (members === undefined) return Either.left("the metadata is not a JSON object")
  if (Json.member(members, "issuer") !== issuer)
    return Either.left("the metadata is not that of the configured issuer (compared exactly, with any trailing slash)")
  const texts = (of: Readonly<Record<string, unknown>>): object =>
    Object.assign(
      {},
      ...endpoints.map((name) => {
        const value = Json.member(of, name)
        return value === undefined || value === "" ? {} : { [name]: typeof value === "string" ? value : " " }
      })
    )
  const aliases = Json.member(members, "mtls_endpoint_aliases")
  const metadata: ServerMetadata = Object.assign(
    { issuer, token_endpoint: "" },
    texts(members),
    Json.isObject(aliases) ? { mtls_endpoint_aliases: texts(aliases) } : {},
    ...flags.map((name) => (Json.member(members, name) === true ? { [name]: true } : {}))
  )
  const unsafe = unsafeEndpoint(metadata, options)
  if (unsafe !== undefined)
    return Either.left(
      `${unsafe} in the metadata is not ${options?.dangerouslyAllowHttp === true ? Url.expectedWithHttp : Url.expected}`
    )
  const isOutside = !Url.isLocal(new URL(issuer).hostname)
  const inside = addresses(metadata).find(([, url]) => isOutside && Url.isLocal(new URL(url).hostname))
  return inside === undefined
    ? Either.right(metadata)
    : Either.left(`${inside[0]} in the metadata points into a private network, which the issuer is not in`)
}
