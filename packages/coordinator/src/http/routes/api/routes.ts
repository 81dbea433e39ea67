import type { Route } from "../../api.ts";
import { checkUsernameRoute } from "./auth/check-username.ts";
import { loginRoute } from "./auth/login.ts";
import { logoutRoute } from "./auth/logout.ts";
import { beginOauthRoute, endOauthRoute } from "./auth/oauth-authorize.ts";
import { oidcCallbackRoute } from "./auth/oidc-callback.ts";
import { oidcLoginRoute } from "./auth/oidc-login.ts";
import { registerRoute } from "./auth/register.ts";
import { resendVerificationRoute } from "./auth/resend-verification.ts";
import { verifyEmailRoute } from "./auth/verify-email.ts";
import { serverConfigRoute } from "./server/config.ts";
import { healthRoute } from "./server/health.ts";
import { readyRoute } from "./server/ready.ts";
import { openApiRoute } from "./server/openapi.ts";
import { createKeyRoute } from "./user/create-key.ts";
import { deleteKeyRoute } from "./user/delete-key.ts";
import { getUserRoute } from "./user/get-user.ts";
import { authorizeDeviceLoginRoute, denyDeviceLoginRoute } from "./auth/decide-device-login.ts";
import { getDeviceLoginRoute } from "./auth/get-device-login.ts";
import { pollDeviceLoginRoute } from "./auth/poll-device-login.ts";
import { startDeviceLoginRoute } from "./auth/start-device-login.ts";
import { listSessionsRoute } from "./user/list-sessions.ts";
import { revokeSessionRoute } from "./user/revoke-session.ts";
import { searchUsersRoute } from "./user/search-users.ts";
import { getSettingsRoute } from "./user/get-settings.ts";
import { updateSettingsRoute } from "./user/update-settings.ts";
import { deleteUserRoute } from "./user/delete-user.ts";
import { updateKeyRoute } from "./user/update-key.ts";
import { revokeKeyRoute } from "./user/revoke-key.ts";
import { listAuditEventsRoute } from "./user/list-audit-events.ts";
import { listKeysRoute } from "./user/list-keys.ts";
import { listPermissionsRoute } from "./user/list-permissions.ts";
import { addMemberRoutes } from "../realms/add-member.ts";
import { changeMemberRoutes } from "../realms/change-member.ts";
import { createOrganizationRoute } from "./orgs/create-organization.ts";
import { deleteOrganizationRoute } from "./orgs/delete-organization.ts";
import { forgetKnownHostRoute } from "./orgs/forget-known-host.ts";
import { getOrganizationRoute } from "./orgs/get-organization.ts";
import { getSshKeyRoute } from "./orgs/get-ssh-key.ts";
import { listKnownHostsRoute } from "./orgs/list-known-hosts.ts";
import { listMembersRoutes } from "../realms/list-members.ts";
import { listOrganizationsRoute } from "./orgs/list-organizations.ts";
import { listSubscriptionsRoute } from "./orgs/list-subscriptions.ts";
import { listWorkersRoute } from "./orgs/list-workers.ts";
import { registerWorkerRoute } from "./orgs/register-worker.ts";
import { removeMemberRoutes } from "../realms/remove-member.ts";
import { renewSshKeyRoute } from "./orgs/renew-ssh-key.ts";
import { subscribeRoute } from "./orgs/subscribe.ts";
import { unregisterWorkerRoute } from "./orgs/unregister-worker.ts";
import { unsubscribeRoute } from "./orgs/unsubscribe.ts";
import { updateOrganizationRoute } from "./orgs/update-organization.ts";
import { updateWorkerRoute } from "./orgs/update-worker.ts";
import { hookRoutes } from "./hooks/take-hooks.ts";
import { createIntegrationRoute } from "./orgs/create-integration.ts";
import { deleteIntegrationRoute } from "./orgs/delete-integration.ts";
import { getIntegrationRoute } from "./orgs/get-integration.ts";
import { getIntegrationSummaryRoute } from "./orgs/get-integration-summary.ts";
import { listIntegrationsRoute } from "./orgs/list-integrations.ts";
import { updateIntegrationRoute } from "./orgs/update-integration.ts";
import { listConnectedWorkersRoute } from "./admin/list-workers.ts";
import { switchProjectRoutes } from "./projects/switch-project.ts";
import { checkRepositoryRoute } from "./projects/check-repository.ts";
import { createProjectRoute } from "./projects/create-project.ts";
import { deleteProjectRoute } from "./projects/delete-project.ts";
import { evaluateProjectRoute } from "./projects/evaluate-project.ts";
import { getProjectDetailsRoute } from "./projects/get-details.ts";
import { getProjectRoute } from "./projects/get-project.ts";
import { listEntryPointsRoute } from "./projects/list-entry-points.ts";
import { listProjectsRoute } from "./projects/list-projects.ts";
import { createTriggerRoute } from "./projects/create-trigger.ts";
import { deleteTriggerRoute } from "./projects/delete-trigger.ts";
import { getTriggerRoute } from "./projects/get-trigger.ts";
import { listTriggersRoute } from "./projects/list-triggers.ts";
import { listActionsRoute } from "./projects/list-actions.ts";
import { createActionRoute } from "./projects/create-action.ts";
import { getActionRoute } from "./projects/get-action.ts";
import { updateActionRoute } from "./projects/update-action.ts";
import { deleteActionRoute } from "./projects/delete-action.ts";
import { testActionRoute } from "./projects/test-action.ts";
import { renewActionTokenRoute } from "./projects/renew-action-token.ts";
import { listDeliveriesRoute } from "./projects/list-deliveries.ts";
import { getDeliveryRoute } from "./projects/get-delivery.ts";
import { listFlakeInputsRoute } from "./projects/list-flake-inputs.ts";
import { createFlakeInputRoute } from "./projects/create-flake-input.ts";
import { getFlakeInputRoute } from "./projects/get-flake-input.ts";
import { updateFlakeInputRoute } from "./projects/update-flake-input.ts";
import { deleteFlakeInputRoute } from "./projects/delete-flake-input.ts";
import { getProjectMetricsRoute } from "./projects/get-metrics.ts";
import { getEntryPointMetricsRoute } from "./projects/get-entry-point-metrics.ts";
import { getFlakeGraphRoute } from "./evals/get-flake-graph.ts";
import { exportStateRoute } from "./admin/export-state.ts";
import { setDrainingRoute } from "./admin/set-draining.ts";
import { testTriggerRoute } from "./projects/test-trigger.ts";
import { updateTriggerRoute } from "./projects/update-trigger.ts";
import { getJobsetSettingsRoute } from "./projects/get-jobset-settings.ts";
import { updateJobsetSettingsRoute } from "./projects/update-jobset-settings.ts";
import { updateProjectRoute } from "./projects/update-project.ts";
import { steerEvaluationRoute } from "./evals/steer-evaluation.ts";
import { getDifferenceRoute } from "./evals/get-difference.ts";
import { getEvaluationRoute } from "./evals/get-evaluation.ts";
import { getEvaluationUsageRoute } from "./evals/get-usage.ts";
import { listBuildsRoute } from "./evals/list-builds.ts";
import { streamLogsRoute } from "./evals/stream-logs.ts";
import { downloadEntryPointRoute } from "./projects/download-entry-point.ts";
import { getBadgeRoute } from "./projects/get-badge.ts";
import { listEvaluationsRoute } from "./projects/list-evaluations.ts";
import { listArtefactsRoute } from "./evals/list-artefacts.ts";
import { listMessagesRoute } from "./evals/list-messages.ts";
import { downloadRoute } from "./builds/download.ts";
import { getDownloadTokenRoute } from "./builds/get-download-token.ts";
import { listDownloadsRoute } from "./builds/list-downloads.ts";
import { getClosureRoute } from "./builds/get-closure.ts";
import { getRuntimeClosureRoute } from "./builds/get-runtime-closure.ts";
import { getEvaluationClosureRoute } from "./evals/get-closure.ts";
import { getEvaluationRuntimeClosureRoute } from "./evals/get-runtime-closure.ts";
import { getLogChunkRoute } from "./builds/get-log-chunk.ts";
import { getLogLinesRoute } from "./builds/get-log-lines.ts";
import { listLogChunksRoute } from "./builds/list-log-chunks.ts";
import { searchLogRoute } from "./builds/search-log.ts";
import { watchBuildRoute } from "./builds/watch-build.ts";
import { watchEvaluationRoute } from "./evals/watch-evaluation.ts";
import { watchProjectRoute } from "./projects/watch-project.ts";
import { getBuildRoute } from "./builds/get-build.ts";
import { getGraphRoute } from "./builds/get-graph.ts";
import { getLogRoute } from "./builds/get-log.ts";
import { listAttemptsRoute } from "./builds/list-attempts.ts";
import { listDependenciesRoute } from "./builds/list-dependencies.ts";
import { streamLogRoute } from "./builds/stream-log.ts";
import { switchCacheRoutes } from "./caches/switch-cache.ts";
import { createCacheRoute } from "./caches/create-cache.ts";
import { deleteCacheRoute } from "./caches/delete-cache.ts";
import { getCacheRoute } from "./caches/get-cache.ts";
import { getCacheKeyRoute } from "./caches/get-key.ts";
import { listCachesRoute } from "./caches/list-caches.ts";
import { updateCacheRoute } from "./caches/update-cache.ts";
import { listRolesRoutes } from "../realms/list-roles.ts";
import { getRoleRoutes } from "../realms/get-role.ts";
import { createRoleRoutes } from "../realms/create-role.ts";
import { updateRoleRoutes } from "../realms/update-role.ts";
import { deleteRoleRoutes } from "../realms/delete-role.ts";
import { showOrganizationRoutes } from "./orgs/show-organization.ts";
import { listPublicOrganizationsRoute } from "./orgs/list-public-organizations.ts";
import { checkOrganizationNameRoute } from "./orgs/check-name.ts";
import { showCacheRoutes } from "./caches/show-cache.ts";
import { listPublicCachesRoute } from "./caches/list-public-caches.ts";
import { getCachePublicRoute } from "./caches/get-public.ts";
import { checkCacheNameRoute } from "./caches/check-name.ts";
import { checkProjectNameRoute } from "./projects/check-name.ts";
import { listUpstreamsRoute } from "./caches/list-upstreams.ts";
import { addUpstreamRoute } from "./caches/add-upstream.ts";
import { updateUpstreamRoute } from "./caches/update-upstream.ts";
import { deleteUpstreamRoute } from "./caches/delete-upstream.ts";
import { getCachePublicKeyRoute } from "./caches/get-public-key.ts";
import { listCacheKeysRoute } from "./caches/list-keys.ts";
import { createCacheKeyRoute } from "./caches/create-key.ts";
import { importCacheKeyRoute } from "./caches/import-key.ts";
import { retireCacheKeyRoute } from "./caches/retire-key.ts";
import { deleteCacheKeyRoute } from "./caches/delete-key.ts";
import { checkNarRoute } from "./caches/check-nar.ts";
import { deleteNarRoute } from "./caches/delete-nar.ts";
import { finalizeNarRoute } from "./caches/finalize-nar.ts";
import { getNarRoute } from "./caches/get-nar.ts";
import { getNarStatsRoute } from "./caches/get-nar-stats.ts";
import { getCacheTrafficRoute } from "./caches/get-traffic.ts";
import { listCacheReadersRoute } from "./caches/list-readers.ts";
import { listNarsRoute } from "./caches/list-nars.ts";
import { uploadChunkRoute } from "./caches/upload-chunk.ts";
import { uploadNarRoute } from "./caches/upload-nar.ts";
import { dispatchSessionRoute } from "./build-requests/dispatch-session.ts";
import { finalizeSourceRoute } from "./build-requests/finalize-source.ts";
import { openSessionRoute } from "./build-requests/open-session.ts";
import { uploadBlobsRoute } from "./build-requests/upload-blobs.ts";
import { uploadSourceChunkRoute } from "./build-requests/upload-source-chunk.ts";
import { uploadSourceRoute } from "./build-requests/upload-source.ts";
import { listRecentDirectBuildsRoute } from "./builds/list-recent-direct-builds.ts";
import { submitDirectBuildRoute } from "./builds/submit-direct-build.ts";
import { testWorkerRoute } from "./orgs/test-worker.ts";
import { getUsageCsvRoute } from "./orgs/get-usage-csv.ts";
import { getUsageMetricsRoute } from "./orgs/get-usage-metrics.ts";
import { getUsageRoute } from "./orgs/get-usage.ts";
import { getWorkerMetricsRoute } from "./orgs/get-worker-metrics.ts";
import { listWorkerKeysRoute } from "./admin/list-worker-keys.ts";
import { approveWorkerKeyRoute } from "./admin/approve-worker-key.ts";
import { refuseWorkerKeyRoute } from "./admin/refuse-worker-key.ts";
import { transferProjectRoute } from "./projects/transfer-project.ts";
import { startCollectionRoute } from "./admin/start-collection.ts";
import { startCheckRoute } from "./admin/start-check.ts";
import { listTasksRoute } from "./admin/list-tasks.ts";
import { getTaskRoute } from "./admin/get-task.ts";
import { listPinsRoute } from "./caches/list-pins.ts";
import { addPinRoute } from "./caches/add-pin.ts";
import { deletePinRoute } from "./caches/delete-pin.ts";
import { getCommitRoute } from "./commits/get-commit.ts";

/** Everything under /api/v1. */
export const apiRoutes: readonly Route[] = [
  checkUsernameRoute,
  loginRoute,
  logoutRoute,
  registerRoute,
  verifyEmailRoute,
  resendVerificationRoute,
  beginOauthRoute,
  endOauthRoute,
  oidcLoginRoute,
  oidcCallbackRoute,
  serverConfigRoute,
  healthRoute,
  readyRoute,
  openApiRoute,
  createKeyRoute,
  deleteKeyRoute,
  getUserRoute,
  startDeviceLoginRoute,
  pollDeviceLoginRoute,
  getDeviceLoginRoute,
  authorizeDeviceLoginRoute,
  denyDeviceLoginRoute,
  listSessionsRoute,
  revokeSessionRoute,
  searchUsersRoute,
  getSettingsRoute,
  updateSettingsRoute,
  deleteUserRoute,
  updateKeyRoute,
  revokeKeyRoute,
  listAuditEventsRoute,
  listKeysRoute,
  listPermissionsRoute,
  addMemberRoutes,
  changeMemberRoutes,
  createOrganizationRoute,
  deleteOrganizationRoute,
  forgetKnownHostRoute,
  getOrganizationRoute,
  getSshKeyRoute,
  listKnownHostsRoute,
  listMembersRoutes,
  listOrganizationsRoute,
  listSubscriptionsRoute,
  listWorkersRoute,
  registerWorkerRoute,
  removeMemberRoutes,
  renewSshKeyRoute,
  subscribeRoute,
  unregisterWorkerRoute,
  unsubscribeRoute,
  updateOrganizationRoute,
  updateWorkerRoute,
  hookRoutes,
  listIntegrationsRoute,
  createIntegrationRoute,
  getIntegrationSummaryRoute,
  getIntegrationRoute,
  updateIntegrationRoute,
  deleteIntegrationRoute,
  listConnectedWorkersRoute,
  switchProjectRoutes,
  checkRepositoryRoute,
  createProjectRoute,
  deleteProjectRoute,
  evaluateProjectRoute,
  getProjectDetailsRoute,
  getProjectRoute,
  listEntryPointsRoute,
  listProjectsRoute,
  updateProjectRoute,
  getJobsetSettingsRoute,
  updateJobsetSettingsRoute,
  listTriggersRoute,
  createTriggerRoute,
  getTriggerRoute,
  updateTriggerRoute,
  deleteTriggerRoute,
  testTriggerRoute,
  setDrainingRoute,
  listFlakeInputsRoute,
  createFlakeInputRoute,
  getFlakeInputRoute,
  updateFlakeInputRoute,
  deleteFlakeInputRoute,
  getProjectMetricsRoute,
  getEntryPointMetricsRoute,
  getFlakeGraphRoute,
  exportStateRoute,
  listActionsRoute,
  createActionRoute,
  getActionRoute,
  updateActionRoute,
  deleteActionRoute,
  testActionRoute,
  renewActionTokenRoute,
  listDeliveriesRoute,
  getDeliveryRoute,
  steerEvaluationRoute,
  getEvaluationRoute,
  getDifferenceRoute,
  getEvaluationUsageRoute,
  listBuildsRoute,
  streamLogsRoute,
  downloadEntryPointRoute,
  getBadgeRoute,
  listEvaluationsRoute,
  listArtefactsRoute,
  listMessagesRoute,
  downloadRoute,
  getDownloadTokenRoute,
  listDownloadsRoute,
  getClosureRoute,
  getRuntimeClosureRoute,
  getEvaluationClosureRoute,
  getEvaluationRuntimeClosureRoute,
  getLogChunkRoute,
  getLogLinesRoute,
  listLogChunksRoute,
  searchLogRoute,
  watchBuildRoute,
  watchEvaluationRoute,
  watchProjectRoute,
  getBuildRoute,
  listAttemptsRoute,
  getGraphRoute,
  getLogRoute,
  listDependenciesRoute,
  streamLogRoute,
  switchCacheRoutes,
  createCacheRoute,
  deleteCacheRoute,
  getCacheRoute,
  getCacheKeyRoute,
  listCacheKeysRoute,
  createCacheKeyRoute,
  importCacheKeyRoute,
  retireCacheKeyRoute,
  deleteCacheKeyRoute,
  listCachesRoute,
  updateCacheRoute,
  getCachePublicKeyRoute,
  listNarsRoute,
  getNarStatsRoute,
  checkNarRoute,
  getNarRoute,
  deleteNarRoute,
  uploadNarRoute,
  uploadChunkRoute,
  finalizeNarRoute,
  getCacheTrafficRoute,
  listCacheReadersRoute,
  getCommitRoute,
  listRolesRoutes,
  getRoleRoutes,
  createRoleRoutes,
  updateRoleRoutes,
  deleteRoleRoutes,
  showOrganizationRoutes,
  listPublicOrganizationsRoute,
  checkOrganizationNameRoute,
  showCacheRoutes,
  listPublicCachesRoute,
  getCachePublicRoute,
  checkCacheNameRoute,
  checkProjectNameRoute,
  listUpstreamsRoute,
  addUpstreamRoute,
  updateUpstreamRoute,
  deleteUpstreamRoute,
  submitDirectBuildRoute,
  listRecentDirectBuildsRoute,
  openSessionRoute,
  uploadBlobsRoute,
  dispatchSessionRoute,
  uploadSourceChunkRoute,
  finalizeSourceRoute,
  uploadSourceRoute,
  testWorkerRoute,
  getWorkerMetricsRoute,
  getUsageRoute,
  getUsageCsvRoute,
  getUsageMetricsRoute,
  listWorkerKeysRoute,
  approveWorkerKeyRoute,
  refuseWorkerKeyRoute,
  startCollectionRoute,
  startCheckRoute,
  listTasksRoute,
  getTaskRoute,
  listPinsRoute,
  addPinRoute,
  deletePinRoute,
  transferProjectRoute,
];
