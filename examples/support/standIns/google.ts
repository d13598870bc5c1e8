/** Google's servers: tokens of people and of service accounts, security tokens, impersonation, the metadata server and an API. The client is `me` with the secret `s3cret`. */
import { generateKeyPairSync, sign, verify } from "node:crypto"
import type { Answer, Seen } from "../standIn.ts"

/** What the stand-in does, where it does something odd. */
export interface Told {
  readonly accepts?: ReadonlyArray<string>
  /** What people have allowed: nothing beyond it is granted. */
  readonly allowed?: ReadonlyArray<string>
  /** A reauthentication is due, unless the request proves one. */
  readonly rapt?: string
  /** Renewals bring ID tokens of this person. */
  readonly subject?: string
  /** Lifetimes, as the answer writes them; null: not at all. */
  readonly expiresIn?: unknown
  /** Refresh tokens are replaced. */
  readonly rotates?: boolean
  /** The machine is one of Google's. */
  readonly machine?: boolean
  /** Whether impersonation is permitted. */
  readonly denies?: boolean
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Keys of the service account and of who signs ID tokens; made once, they are expensive. */
let made: { robot: ReturnType<typeof pair>; signer: ReturnType<typeof pair> } | undefined
const pair = () => generateKeyPairSync("rsa", { modulusLength: 2048 })
const keys = () => (made ??= { robot: pair(), signer: pair() })

/** The private key of the service account `robot@p.iam.gserviceaccount.com`, in PEM. */
export const robotKey = (): string => keys().robot.privateKey.export({ type: "pkcs8", format: "pem" }).toString()

const idToken = (sub: string): string => {
  const now = Math.floor(Date.now() / 1000)
  const signed = `${base64url({ alg: "RS256", kid: "1" })}.${base64url({
    iss: "https://accounts.google.com",
    aud: "me",
    sub,
    iat: now,
    exp: now + 3600
  })}`
  return `${signed}.${sign("sha256", Buffer.from(signed), keys().signer.privateKey).toString("base64url")}`
}

const refused = (error: string, more: object = {}): Answer => ({ status: 400, json: { error, ...more } })

/** The servers, each at its own origin. */
export const google = (told: Told = {}): ((request: Seen) => Answer) => {
  const issued: Record<string, number> = {}
  const accepted = new Set(told.accepts)
  const refreshable = new Set(["r3fresh"])
  const token = (kind: string): string => {
    const value = `${kind}${(issued[kind] = (issued[kind] ?? 0) + 1)}`
    accepted.add(value)
    return value
  }
  const lifetime = told.expiresIn === null ? {} : { expires_in: told.expiresIn ?? 3599 }

  const renewed = (form: Readonly<Record<string, string>>): Answer => {
    if (form["client_id"] !== "me" || form["client_secret"] !== "s3cret") return refused("invalid_client")
    if (!refreshable.has(form["refresh_token"] ?? "")) {
      return refused("invalid_grant", { error_description: "Token has been expired or revoked." })
    }
    if (told.rapt !== undefined && form["rapt"] !== "pr00f") {
      return refused("invalid_grant", { error_description: "reauth related error", error_subtype: told.rapt })
    }
    const wanted = form["scope"]?.split(" ") ?? told.allowed ?? ["a", "b"]
    const access_token = token("a")
    const next = `r${issued["a"]}`
    if (told.rotates === true) refreshable.add(next)
    return {
      json: {
        access_token,
        ...lifetime,
        ...(told.rotates === true ? { refresh_token: next } : {}),
        ...(told.subject === undefined ? {} : { id_token: idToken(told.subject) }),
        scope: wanted.filter((scope) => told.allowed?.includes(scope) ?? true).join(" "),
        token_type: "Bearer"
      }
    }
  }

  const asserted = (assertion: string): Answer => {
    const [header = "", claims = "", signature = ""] = assertion.split(".")
    const isGenuine = verify(
      "sha256",
      Buffer.from(`${header}.${claims}`),
      keys().robot.publicKey,
      Buffer.from(signature, "base64url")
    )
    const { iss, scope } = JSON.parse(Buffer.from(claims, "base64url").toString())
    return isGenuine && iss === "robot@p.iam.gserviceaccount.com" && typeof scope === "string"
      ? { json: { access_token: token("robot"), expires_in: 3599, token_type: "Bearer" } }
      : refused("invalid_grant", { error_description: "Invalid JWT Signature." })
  }

  return (request): Answer => {
    const { form = {}, headers, json, origin, path } = request
    const bearer = headers["authorization"]?.replace("Bearer ", "") ?? ""
    switch (origin + path) {
      case "https://oauth2.googleapis.com/token":
        return form["grant_type"] === "refresh_token" ? renewed(form) : asserted(form["assertion"] ?? "..")
      case "https://oauth2.googleapis.com/revoke":
        return {}
      case "https://accounts.google.com/.well-known/openid-configuration":
        return {
          json: {
            issuer: "https://accounts.google.com",
            authorization_endpoint: "https://accounts.google.com/o/oauth2/v2/auth",
            token_endpoint: "https://oauth2.googleapis.com/token",
            jwks_uri: "https://www.googleapis.com/oauth2/v3/certs",
            response_types_supported: ["code"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"]
          }
        }
      case "https://www.googleapis.com/oauth2/v3/certs":
        return { json: { keys: [{ ...keys().signer.publicKey.export({ format: "jwk" }), kid: "1", alg: "RS256" }] } }
      case "https://sts.googleapis.com/v1/token":
        return form["subject_token"] === "pl4tform"
          ? {
              json: {
                access_token: token("sts"),
                issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
                token_type: "Bearer",
                expires_in: 3600
              }
            }
          : refused("invalid_grant", { error_description: "The subject token is not known." })
      case "https://sts.googleapis.com/v1/oauthtoken":
        return headers["authorization"] === `Basic ${btoa("me:s3cret")}`
          ? { json: { access_token: token("session"), token_type: "Bearer", expires_in: 3600 } }
          : refused("invalid_client")
      case "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken":
        return told.denies === true || !accepted.has(bearer) || !Array.isArray(json.scope)
          ? {
              status: 403,
              json: {
                error: {
                  code: 403,
                  message: "Permission 'iam.serviceAccounts.getAccessToken' denied",
                  status: "PERMISSION_DENIED"
                }
              }
            }
          : {
              json: {
                accessToken: token("robot"),
                expireTime: new Date(Date.now() + Number.parseInt(json.lifetime) * 1000).toISOString()
              }
            }
      case "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token":
        return told.machine === true && headers["metadata-flavor"] === "Google"
          ? {
              headers: { "metadata-flavor": "Google" },
              json: { access_token: token("machine"), expires_in: 3599, token_type: "Bearer" }
            }
          : { status: 404 }
      case "http://169.254.169.254/identity":
        return headers["metadata"] === "True" ? { json: { id: { token: "pl4tform" } } } : { status: 400 }
      case "https://tokens.example.com/identity":
        return { body: "pl4tform\n" }
    }
    if (path === "/public") return { json: headers["authorization"] === undefined ? "anybody" : "somebody" }
    if (headers["x-goog-api-key"] === "k3y") return { json: {} }
    return accepted.has(bearer)
      ? { json: {} }
      : { status: 401, json: { error: { code: 401, status: "UNAUTHENTICATED" } } }
  }
}
