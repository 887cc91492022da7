/** The canonical slice for other slices: the model, its validators and projectors, and the mapping engine. */
export { libraryOf } from './canonical-mapper/admin.ts';
export { type ExplainedValue, type Explanation, type ExplainOptions, explainDocument, ruleOf } from './explain.ts';
export { readDocument } from './formats/index.ts';
export type { MappingViolation } from './mapping/compile.ts';
export type { Mapping } from './mapping/mapping.ts';
export { MappingLibrary } from './mappings/library.ts';
export { entityNamed, entityOfSchema, fieldsOf } from './model/fields.ts';
export { classificationOf, type Projection, project, projectorOf } from './model/project.ts';
export { assertValid, type Reading, type Validation, type Violation, validatorOf } from './model/validate.ts';
export { type RecentDocument, recentOf } from './recent.ts';
export { type DocumentSource, offerDocuments, type StoredDocument } from './stored.ts';
export { type EntitySchema, entities, type Sensitivity, sensitivities } from './schemas/index.ts';
