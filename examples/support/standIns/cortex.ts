/** The authorization server of Cortex Data Lake, its API explorer and its API. They speak JSON. */
import type { Answer, Seen } from "../standIn.ts"

/** What the stand-in does, where it does something odd. */
export interface Told {
  readonly accepts?: ReadonlyArray<string>
  /** After so many refreshes the refresh token stays the same and is not sent. Default: it always rotates. */
  readonly rotates?: number
}

/** The servers. */
export const cortex = (told: Told = {}): ((request: Seen) => Answer) => {
  let issued = 0
  const accepted = new Set(told.accepts)
  const tokens = (): Answer => {
    const n = ++issued
    accepted.add(`a${n}`)
    return {
      json: {
        access_token: `a${n}`,
        ...(n <= (told.rotates ?? Infinity) ? { refresh_token: `r${n}` } : {}),
        token_type: "Bearer",
        expires_in: 900
      }
    }
  }
  const refused: Answer = { status: 400, json: { error: "invalid_grant", error_description: "the grant has expired" } }
  return ({ headers, json, path }) => {
    switch (path) {
      case "/api/oauth2/RequestToken":
        return json.refresh_token === "gone" || json.code === "old" ? refused : tokens()
      case "/api/oauth2/RevokeToken":
        return { json: { is_success: "true" } }
      case "/request_token":
      case "/x":
        return headers["authorization"] === "Bearer d3v" ? tokens() : { status: 401, json: { error: "invalid_token" } }
    }
    return accepted.has(headers["authorization"]?.replace("Bearer ", "") ?? "")
      ? { json: { queryId: "1" } }
      : { status: 401, json: { errorMessage: "Unauthorized" } }
  }
}
