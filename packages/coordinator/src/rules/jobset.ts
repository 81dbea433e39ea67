/** Priorities of Cuirass's specifications go from 0 to this; lower is sooner. */
export const LAST_PRIORITY = 9;

/** Of a project for which nobody has said another one. */
export const USUAL_PRIORITY = 5;
