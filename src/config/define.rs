//! The macro that makes structures, lists and readers of the rows in `params`.

/// Defines a structure with a field for each row, the list of the rows, and how it is read.
macro_rules! parameters {
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            $( $(#[$extra_meta:meta])* $extra:ident: $extra_type:ty, )*
        }
        $(#[$list_meta:meta])*
        pub static $list:ident, mod $rows:ident = {
            $(
                $(#[$inner:meta])*
                $field:ident: $type:ty = {
                    name: $key:literal,
                    $(alias: $alias:literal,)?
                    scope: $scope:expr,
                    since: $since:expr,
                    unset: $unset:expr,
                    $(reload: $reload:expr,)?
                    value: $value:expr,
                    meaning: $meaning:literal,
                }
            )+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$extra_meta])* pub $extra: $extra_type, )*
            $(
                #[doc = concat!("`", $key, "`: ", $meaning, ".")]
                ///
                $(#[$inner])*
                pub $field: $type,
            )+
        }

        impl $name {
            /// Whether commands are made of both alike: no parameter differs that they are made of.
            pub fn makes_the_same_commands(&self, other: &$name) -> bool {
                $( ($rows::$field.reload != Reload::Commands || self.$field == other.$field) )&&+
            }

            /// Reads the parameter of each row, in their order.
            pub(super) fn read(
                reader: &mut Reader<'_>,
                $($extra: $extra_type,)*
            ) -> Result<$name, ConfigError> {
                Ok($name {
                    $($field: {
                        const VALUE: Value<$type> = $value;
                        (VALUE.read)(reader, &$rows::$field)?
                    },)+
                    $($extra,)*
                })
            }
        }

        /// The rows by the names of their fields.
        #[expect(non_upper_case_globals, reason = "a row has the name of its field")]
        pub(super) mod $rows {
            use super::*;
            $(
                pub(crate) static $field: Parameter = {
                    const VALUE: Value<$type> = $value;
                    Parameter {
                        name: $key,
                        aliases: &[$($alias)?],
                        scope: $scope,
                        since: $since,
                        unset: $unset,
                        reload: Reload::or_commands(&[$($reload)?]),
                        accepts: VALUE.accepts,
                        place: VALUE.place,
                        meaning: $meaning,
                    }
                };
            )+
        }

        $(#[$list_meta])*
        pub static $list: &[&Parameter] = &[$(&$rows::$field),+];
    };
}

pub(super) use parameters;
