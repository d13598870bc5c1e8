/** Two grants that oidc-provider does not have by itself, written from their specifications: JWT assertions (RFC 7523) and token exchange (RFC 8693). */
import { createLocalJWKSet, decodeJwt, errors as Jose, type JWK, type JWTPayload, jwtVerify } from "jose"
import { errors, type GrantContext, type Provider } from "oidc-provider"
import { checkDpopReplay, validateDpop } from "oidc-provider/lib/helpers/grants.js"

/** Whom the server believes, and what for. */
export interface Options {
  /** Who may vouch for people and programs, by issuer, and the public keys of each. */
  readonly issuers: Readonly<Record<string, ReadonlyArray<JWK>>>
  /** What tokens may be traded for: audiences and resources. Default: nothing but the server itself. */
  readonly targets?: ReadonlyArray<string>
}

/** The names of the grants. */
export const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

const typeUri = (name: string) => `urn:ietf:params:oauth:token-type:${name}`

const refuse = (code: string, description: string): never => {
  throw new errors.CustomOIDCProviderError(code, description)
}

/** Adds both grants to a server whose assertions may be addressed to one of `audience`. */
export const addAssertionGrants = (
  provider: Provider,
  { audience, issuers, targets = [] }: Options & { readonly audience: Array<string> }
): void => {
  const keySets = new Map(
    Object.entries(issuers).map(([issuer, keys]) => [issuer, createLocalJWKSet({ keys: [...keys] })])
  )
  const seen = new Set<string>()

  /** What somebody who is believed says (RFC 7523 §3). */
  const verify = async (jwt: string, requiredClaims: Array<string>): Promise<JWTPayload> => {
    const { payload } = await jwtVerify(
      jwt,
      (header, token) => {
        const keys = keySets.get(String(decodeJwt(jwt).iss)) ?? refuse("invalid_grant", "this issuer is not trusted")
        return keys(header, token)
      },
      { audience, requiredClaims: ["iss", "sub", "aud", "exp", ...requiredClaims] }
    ).catch((error) =>
      error instanceof Jose.JOSEError
        ? refuse("invalid_grant", `the assertion: ${error.message}`)
        : Promise.reject(error)
    )
    return payload
  }

  /** An access token for somebody, as if they had allowed the client to have it. */
  const issue = async (ctx: GrantContext, accountId: string, more: object) => {
    const { client, params } = ctx.oidc
    const proof = await validateDpop(provider, ctx)
    await checkDpopReplay(provider, ctx, proof, client.clientId)
    const grant = new provider.Grant({ accountId, clientId: client.clientId })
    if (params.scope !== undefined) grant.addOIDCScope(params.scope)
    const grantId = await grant.save()
    const token = new provider.AccessToken({ accountId, client, gty: params.grant_type, grantId, scope: params.scope })
    if (proof !== undefined) token.setThumbprint("jkt", proof.thumbprint)
    const accessToken = await Object.assign(token, more).save()
    return { access_token: accessToken, token_type: token.tokenType, expires_in: token.expiration, scope: params.scope }
  }

  provider.registerGrantType(
    jwtBearer,
    async (ctx) => {
      const { assertion } = ctx.oidc.params
      if (assertion === undefined) return refuse("invalid_request", "assertion is missing")
      const { exp, iat, iss, jti, scope, sub } = await verify(assertion, ["jti", "iat"])
      if (exp! - iat! > 3600) return refuse("invalid_grant", "the assertion: it lives longer than an hour")
      if (seen.has(`${iss} ${jti}`)) return refuse("invalid_grant", "the assertion: it was used before")
      seen.add(`${iss} ${jti}`)
      // Google takes the scope from the assertion.
      ctx.oidc.params.scope ??= scope as string | undefined
      ctx.body = await issue(ctx, sub!, {})
    },
    ["assertion", "scope"]
  )

  /** Who a traded token speaks of. */
  const partyOf = async (token: string | undefined, type: string | undefined): Promise<string> => {
    if (token === undefined || type === undefined) return refuse("invalid_request", "a token or its type is missing")
    switch (type) {
      case typeUri("jwt"):
      case typeUri("id_token"):
        return (await verify(token, [])).sub!
      case typeUri("access_token"): {
        const known = await provider.AccessToken.find(token)
        return known?.accountId ?? refuse("invalid_grant", "the token is not active")
      }
      default:
        return refuse("invalid_request", "tokens of this type are not traded")
    }
  }

  provider.registerGrantType(
    tokenExchange,
    async (ctx) => {
      const {
        actor_token,
        actor_token_type,
        audience,
        requested_token_type,
        resource,
        subject_token,
        subject_token_type
      } = ctx.oidc.params
      const subject = await partyOf(subject_token, subject_token_type)
      const isActed = actor_token !== undefined || actor_token_type !== undefined
      const act = isActed ? { act: { sub: await partyOf(actor_token, actor_token_type) } } : {}
      const wanted = [audience ?? [], resource ?? []].flat()
      const unknown = wanted.find((target) => !targets.includes(target))
      if (unknown !== undefined) return refuse("invalid_target", `${unknown} is not known here`)
      const issued = requested_token_type ?? typeUri("access_token")
      switch (issued) {
        case typeUri("access_token"): {
          const aud = wanted.length > 1 ? wanted : wanted[0]
          const answer = await issue(ctx, subject, { aud, extra: act })
          ctx.body = { ...answer, issued_token_type: issued }
          break
        }
        case typeUri("id_token"): {
          const token = new provider.IdToken({ sub: subject }, { ctx })
          token.scope = "openid"
          for (const [name, value] of Object.entries(act)) token.set(name, value)
          const jwt = await token.issue({ use: "idtoken" })
          ctx.body = { access_token: jwt, issued_token_type: issued, token_type: "N_A" }
          break
        }
        default:
          return refuse("invalid_request", "tokens of this type are not issued")
      }
    },
    [
      "actor_token",
      "actor_token_type",
      "audience",
      "requested_token_type",
      "resource",
      "scope",
      "subject_token",
      "subject_token_type"
    ],
    ["audience", "resource"]
  )
}
